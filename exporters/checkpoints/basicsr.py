"""BasicSR's names for EDSR (0..1 outside, the mean not in the file) and MSRResNet."""

from math import isqrt

from torch import Tensor

from exporters.checkpoints.edsr import residual_scale
from exporters.checkpoints.source import Source, build, count, rename_keys, shape, third_party_source
from training.networks import EDSRConfig, SRResNetConfig
from training.networks.blocks import MeanShift

EDSR_RANGE = 255.0


def recognises_edsr(state: dict[str, Tensor]) -> bool:
    return "conv_after_body.weight" in state and "body.0.conv1.weight" in state


def read_edsr(state: dict[str, Tensor]) -> Source:
    """
    Raises:
        ModelError: tensors are missing, unexpected or misshapen.
    """
    blocks = count(state, "body.{}.conv1.weight")
    outputs, width = shape(state, "upsample.0.weight")[:2]
    scale = 4 if "upsample.2.weight" in state else isqrt(outputs // width)
    config = EDSRConfig(
        scale=scale,
        blocks=blocks,
        width=width,
        residual_scale=residual_scale(blocks, width),
        value_range=EDSR_RANGE,
    )
    names = {
        "head": "conv_first",
        f"body.{blocks}": "conv_after_body",
        "tail.0.0": "upsample.0",
        "tail.0.2": "upsample.2",
        "tail.1": "conv_last",
    }
    means = {
        f"{name}.{kind}": tensor
        for name, sign in (("sub_mean", -1), ("add_mean", 1))
        for kind, tensor in MeanShift(sign, EDSR_RANGE).state_dict().items()
    }
    network = build("edsr", config, rename_keys(state, names) | means)
    return third_party_source("edsr", network, scale=scale, value_range=EDSR_RANGE, origin="BasicSR")


def recognises_srresnet(state: dict[str, Tensor]) -> bool:
    return "conv_hr.weight" in state and "upconv1.weight" in state and "body.0.conv1.weight" in state


def read_srresnet(state: dict[str, Tensor]) -> Source:
    """
    Raises:
        ModelError: tensors are missing, unexpected or misshapen.
    """
    outputs, width = shape(state, "upconv1.weight")[:2]
    scale = 4 if "upconv2.weight" in state else isqrt(outputs // width)
    config = SRResNetConfig(scale=scale, blocks=count(state, "body.{}.conv1.weight"), width=width)
    names = {
        "head": "conv_first",
        "upsampler.0": "upconv1",
        "upsampler.2": "upconv2",
        "last": "conv_hr",
        "tail": "conv_last",
    }
    network = build("srresnet", config, rename_keys(state, names))
    return third_party_source("srresnet", network, scale=scale, value_range=config.value_range, origin="BasicSR")
