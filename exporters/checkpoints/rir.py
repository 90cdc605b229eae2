"""RIRSR's files of SRP: RCAN without attention, dense and pruned to SRPN."""

from torch import Tensor

from exporters.checkpoints.edsr import VALUE_RANGE, tail_scale, upsampling_tail, without_prefix
from exporters.checkpoints.source import Source, count, load_strictly, rename_keys, shape, third_party_source
from training.networks import RIR, RIRConfig


def recognises(state: dict[str, Tensor]) -> bool:
    return "body.0.body.0.body.0.weight" in without_prefix(state)


def read(state: dict[str, Tensor]) -> Source:
    """
    Raises:
        ModelError: tensors are missing, unexpected or misshapen.
    """
    state = without_prefix(state)
    groups = count(state, "body.{}.body.0.body.0.weight")
    blocks = count(state, "body.0.body.{}.body.0.weight")
    scale = tail_scale(state)
    config = RIRConfig(
        scale=scale,
        groups=groups,
        blocks=blocks,
        width=shape(state, "head.0.weight")[0],
        inner_widths=tuple(
            tuple(shape(state, f"body.{group}.body.{block}.body.0.weight")[0] for block in range(blocks))
            for group in range(groups)
        ),
        value_range=VALUE_RANGE,
    )
    network = RIR(config)
    network.tail = upsampling_tail(state)
    names = {"head": "head.0"}
    for group in range(groups):
        for block in range(blocks):
            one = f"body.{group}.body.{block}"
            names |= {f"{one}.conv1": f"{one}.body.0", f"{one}.conv2": f"{one}.body.2"}
    load_strictly(network, rename_keys(state, names))
    return third_party_source("rir", network, scale=scale, value_range=VALUE_RANGE, origin="SRP")
