"""Verify a graph: it computes the same as its network, and no pixel depends on pixels outside the halo."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import nn

from exporters.run_graph import session_for
from sr_infer.errors import SrInferError

Batch = NDArray[np.float32]

SIZES_HW = ((1, 1), (2, 3), (7, 5), (24, 33), (64, 48))
"""Tiny, odd and oblong LR pictures."""
TOLERANCE = 1e-4
"""Largest difference in [0, 1]: a fortieth of an 8-bit level."""
STRIP_PX = 4
"""Width of the strips in which the halo is confirmed."""


class VerificationError(SrInferError):
    """The exported graph does not compute the same as the network."""


@dataclass(frozen=True)
class Reference:
    """A batch and torch's result for it, both (N, C, H, W) in [0, 1]."""

    lr: Batch
    sr: Batch
    """Computed in float64."""
    rounding: float
    """The largest difference between torch in float32 and in float64."""


def sizes_for(*, min_size_px: int, multiple_of_px: int) -> list[tuple[int, int]]:
    """`SIZES_HW`, each side brought to what a network takes."""
    least = -(-min_size_px // multiple_of_px)
    sizes = [tuple(max(-(-side // multiple_of_px), least) * multiple_of_px for side in size) for size in SIZES_HW]
    return list(dict.fromkeys((height, width) for height, width in sizes))


def references(
    network: nn.Module, *, sizes_hw: Sequence[tuple[int, int]] = SIZES_HW, batch: int = 2, channels: int = 3
) -> list[Reference]:
    """Run `network` in float64 on random images of every size, in batches.

    Raises:
        VerificationError: the network computes values that are not finite.
    """
    generator = torch.Generator().manual_seed(0)
    double = copy.deepcopy(network).double()
    pairs = []
    for size_hw in sizes_hw:
        lr = torch.rand((batch, channels, *size_hw), generator=generator)
        with torch.no_grad():
            sr, single = double(lr.double()), network(lr)
        if not torch.isfinite(single).all():
            raise VerificationError(
                f"the values of the network are not finite at {size_hw[0]}x{size_hw[1]}; train it again, or take "
                "an earlier checkpoint; nothing was written"
            )
        pairs.append(Reference(lr.numpy(), sr.float().numpy(), float((single - sr).abs().max())))
    return pairs


def verify(model: onnx.ModelProto, pairs: Sequence[Reference]) -> dict[tuple[int, int], float]:
    """Compare a graph with input `lr` and output `sr` with the network that it was made from.

    Returns:
        LR height and width -> the largest difference found, in [0, 1].

    Raises:
        VerificationError: it is above 1e-4 at some size, or onnxruntime refuses the graph; the message says which.
    """
    differences = differences_from(model, pairs)
    for (height, width), difference in differences.items():
        if not difference <= TOLERANCE:
            raise VerificationError(
                f"at {height}x{width} the exported graph differs from the network by {difference:.2e}, more than "
                f"{TOLERANCE:.0e}; nothing was written"
            )
    return differences


def differences_from(model: onnx.ModelProto, pairs: Sequence[Reference]) -> dict[tuple[int, int], float]:
    """LR height and width -> the largest difference in [0, 1] between a graph and its network.

    Raises:
        VerificationError: onnxruntime refuses the graph.
    """
    session = _session(model)
    differences = {}
    for pair in pairs:
        found = _run(session, {"lr": pair.lr})
        difference = float(np.abs(found - pair.sr).max()) if found.shape == pair.sr.shape else float("inf")
        height, width = pair.lr.shape[2:]
        differences[height, width] = difference
    return differences


def confirm_halo(model: onnx.ModelProto, *, halo_px: int, min_size_px: int = 1, multiple_of_px: int = 1) -> None:
    """Change all pixels further than `halo_px` from the middle, along each axis; the middle must not change.

    Networks that pool over the image get the same averages both times (`exporters.passes.share_pooling`).

    Args:
        model: the graph.
        halo_px: to be confirmed.
        min_size_px: smallest input side of the network.
        multiple_of_px: of which input sides are multiples.

    Raises:
        VerificationError: the middle changed, so tiles with this halo would not equal the whole.
    """
    session = _session(model)
    rng = np.random.default_rng(0)
    given = _given_averages(session, rng)
    channels = model.graph.input[0].type.tensor_type.shape.dim[1].dim_value
    across = -(-max(STRIP_PX, min_size_px) // multiple_of_px) * multiple_of_px
    side = -(-max(2 * (halo_px + STRIP_PX) + 1, min_size_px) // multiple_of_px) * multiple_of_px
    middle = slice(halo_px + STRIP_PX, halo_px + STRIP_PX + 1)
    for axis, size_hw in ((2, (side, across)), (3, (across, side))):
        near = rng.random((1, channels, *size_hw), np.float32)
        far = rng.random((1, channels, *size_hw), np.float32)
        reach = slice(STRIP_PX, STRIP_PX + 2 * halo_px + 1)
        kept = tuple(reach if at == axis else slice(None) for at in range(4))
        far[kept] = near[kept]
        results = []
        for lr in (near, far):
            sr = _run(session, {"lr": lr, **given})
            scale = sr.shape[axis] // side
            window = slice(middle.start * scale, middle.stop * scale)
            results.append(sr[tuple(window if at == axis else slice(None) for at in range(4))])
        if not np.array_equal(results[0], results[1]):
            raise VerificationError(
                f"pixels further away than the halo of {halo_px} px change the result, along axis {axis}: the "
                "receptive field was taken too small; nothing was written"
            )


def _given_averages(session: onnxruntime.InferenceSession, rng: np.random.Generator) -> dict[str, NDArray[np.generic]]:
    shapes = {value.name: value.shape for value in session.get_overridable_initializers()}
    if "pooled" not in shapes:
        return {}
    return {"pooled": rng.random(shapes["pooled"], np.float32), "use_pooled": np.array(True)}


def _run(session: onnxruntime.InferenceSession, feed: dict[str, NDArray[np.generic]]) -> Batch:
    try:
        sr: Batch = session.run(["sr"], feed)[0]
    except Exception as error:  # onnxruntime's errors share no narrower base
        shape = "x".join(map(str, feed["lr"].shape))
        raise VerificationError(f"the exported graph cannot run on {shape}: {error}; nothing was written") from error
    return sr


def _session(model: onnx.ModelProto) -> onnxruntime.InferenceSession:
    try:
        return session_for(model)
    except Exception as error:  # onnxruntime's errors share no narrower base
        raise VerificationError(f"onnxruntime cannot load the exported graph: {error}") from error
