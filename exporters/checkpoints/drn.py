"""DRN's files (DRNS4x.pt, ..) and DRC's compressed ones (DRNS_4x_Prune_30.pt, ..), with widths from the shapes."""

from torch import Tensor

from exporters.checkpoints.source import Source, build, count, rename_keys, shape, third_party_source
from sr_infer.errors import ModelError
from training.networks import DRNConfig

VALUE_RANGE = 255.0


def recognises(state: dict[str, Tensor]) -> bool:
    return "up_blocks.0.0.body.0.weight" in state


def read(state: dict[str, Tensor]) -> Source:
    """
    Raises:
        ModelError: tensors are missing, unexpected or misshapen.
    """
    steps = count(state, "down.{}.dual_module.1.weight")
    if steps not in (1, 2, 3):
        raise ModelError(f"expected 1 to 3 steps down (x2, x4, x8), found {steps}")
    blocks = count(state, "up_blocks.0.{}.body.0.weight")
    config = DRNConfig(
        scale=2**steps,
        blocks=blocks,
        features=shape(state, "head.weight")[0],
        down_widths=tuple(shape(state, f"down.{step}.dual_module.0.0.weight")[0] for step in range(steps)),
        block_widths=tuple(
            tuple(shape(state, f"up_blocks.{stage}.{block}.body.0.weight")[0] for block in range(blocks))
            for stage in range(steps)
        ),
        upsampler_widths=tuple(shape(state, f"up_blocks.{stage}.{blocks}.0.weight")[0] // 4 for stage in range(steps)),
        value_range=VALUE_RANGE,
    )
    names = {f"tails.{step}": f"tail.{step}" for step in range(steps + 1)}
    for step in range(steps):
        names |= {
            f"down.{step}.conv1": f"down.{step}.dual_module.0.0",
            f"down.{step}.conv2": f"down.{step}.dual_module.1",
        }
    for stage in range(steps):
        for block in range(blocks):
            ours, theirs = f"up.{stage}.blocks.{block}", f"up_blocks.{stage}.{block}.body"
            names |= {
                f"{ours}.conv1": f"{theirs}.0",
                f"{ours}.conv2": f"{theirs}.2",
                f"{ours}.squeeze": f"{theirs}.3.conv_du.0",
                f"{ours}.excite": f"{theirs}.3.conv_du.2",
            }
        names |= {
            f"up.{stage}.upsampler": f"up_blocks.{stage}.{blocks}.0",
            f"up.{stage}.squeeze": f"up_blocks.{stage}.{blocks + 1}",
        }
    network = build("drn", config, rename_keys(state, names))
    return third_party_source("drn", network, scale=config.scale, value_range=VALUE_RANGE, origin="DRN")
