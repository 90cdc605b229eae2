"""EDSR-PyTorch's files (edsr_baseline_x2-1bc95232.pt, ..) and LEDSR's of SRP and ASSL, dense and pruned."""

from math import isqrt

from torch import Tensor, nn

from exporters.checkpoints.source import Source, count, load_strictly, rename_keys, shape, third_party_source
from sr_infer.errors import ModelError
from training.networks import EDSR, EDSRConfig
from training.networks.blocks import conv3x3

VALUE_RANGE = 255.0
WIDTH_OF_THE_LARGE = 256
"""The paper's large EDSR scales its residuals by 0.1, which no file says; it has 32 blocks of this width."""


def recognises(state: dict[str, Tensor]) -> bool:
    return "body.0.body.0.weight" in (bare := without_prefix(state)) and "body.0.body.0.body.0.weight" not in bare


def read(state: dict[str, Tensor]) -> Source:
    """
    Raises:
        ModelError: tensors are missing, unexpected or misshapen.
    """
    state = without_prefix(state)
    blocks = count(state, "body.{}.body.0.weight")
    width = shape(state, "head.0.weight")[0]
    shuffles_at_once = "tail.1.weight" not in state
    scale = tail_scale(state)
    config = EDSRConfig(
        scale=scale,
        blocks=blocks,
        width=width,
        inner_widths=tuple(shape(state, f"body.{block}.body.0.weight")[0] for block in range(blocks)),
        tail="shuffle" if shuffles_at_once else "upsampler",
        residual_scale=residual_scale(blocks, width),
        value_range=VALUE_RANGE,
    )
    network = EDSR(config)
    names = {"head": "head.0"}
    for block in range(blocks):
        names |= {f"body.{block}.conv1": f"body.{block}.body.0", f"body.{block}.conv2": f"body.{block}.body.2"}
    if shuffles_at_once:
        names["tail.0"] = "tail.0.0"
    else:
        network.tail = upsampling_tail(state)
    load_strictly(network, rename_keys(state, names))
    return third_party_source("edsr", network, scale=scale, value_range=VALUE_RANGE, origin="EDSR, SRP or ASSL")


def residual_scale(blocks: int, width: int) -> float:
    """0.1 for the paper's large EDSR, 1 for all others."""
    return 0.1 if (blocks, width) == (32, WIDTH_OF_THE_LARGE) else 1.0


def without_prefix(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The names without "model.", which the wrapper of EDSR-PyTorch and ASSL puts before them."""
    prefixed = all(name.startswith("model.") for name in state)
    return {name.removeprefix("model."): tensor for name, tensor in state.items()} if prefixed else state


def tail_scale(state: dict[str, Tensor]) -> int:
    """The scale of the convolutions and shuffles `tail.0.*`.

    Raises:
        ModelError: their shapes fit no scale.
    """
    if "tail.1.weight" not in state:
        return _root(shape(state, "tail.0.0.weight")[0] / 3)
    if "tail.0.2.weight" in state:
        return 4
    return _root(shape(state, "tail.0.0.weight")[0] / shape(state, "tail.1.weight")[1])


def upsampling_tail(state: dict[str, Tensor]) -> nn.Sequential:
    """EDSR's upsampler and last convolution at the widths of the file: pruning leaves some of them as they were."""
    steps: list[nn.Module] = []
    for name in ("tail.0.0.weight", "tail.0.2.weight"):
        if name in state:
            outputs, inputs = shape(state, name)[:2]
            factor = 2 if "tail.0.2.weight" in state else tail_scale(state)
            steps += [conv3x3(inputs, outputs), nn.PixelShuffle(factor)]
    return nn.Sequential(nn.Sequential(*steps), conv3x3(shape(state, "tail.1.weight")[1], 3))


def _root(square: float) -> int:
    side = isqrt(int(square))
    if side**2 != square or side < 2:
        raise ModelError(f"expected a tail of s^2 times as many channels as it leaves, found {square:g} times")
    return side
