"""The passes in their order, each verified against the network and kept only where it pays."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import onnx
from onnx import TensorProto, helper

from exporters.graph import Rewrite, drop_unused
from exporters.passes.align_channels import align_channels
from exporters.passes.bicubic_as_convolution import bicubic_as_convolution
from exporters.passes.fold_mean_shift import fold_mean_shift
from exporters.passes.fold_padded_bias import fold_padded_bias
from exporters.passes.fold_pixel_shuffle import fold_pixel_shuffle
from exporters.passes.merge_parallel import merge_parallel
from exporters.passes.merge_sequential import merge_sequential
from exporters.passes.simplify import SimplifyError, simplify
from exporters.run_graph import Comparison, compare_speed
from exporters.verify import Reference, VerificationError, verify

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Pass:
    """A rewriting of the graph, in place, that leaves its function as it was."""

    name: str
    rewrite: Callable[[onnx.ModelProto], Rewrite]
    does: str = ""
    refuses: str = ""
    """When it leaves a place alone; for the table of `exporters.passes_table`."""
    by_measurement: bool = False
    """Whether it pays depends on the machine: it is kept only where it is measured to be faster on one thread."""


def _simplify(model: onnx.ModelProto) -> Rewrite:
    model.CopyFrom(simplify(model))
    return Rewrite(applied=1)


_ALIGNS = "inner channels are zero-padded to whole SIMD blocks"
_NOT_ALIGNED = "widths that are multiples of 4 or below half a block, or not measured to be faster"

PASSES = (
    Pass("onnxsim", _simplify, "constants folded, then the ONNX checker", "the result is not valid"),
    Pass(
        "fold_padded_bias",
        fold_padded_bias,
        "a 1x1 convolution padded with its bias goes into the next one (ECB)",
        "padded with something else, or it costs more",
    ),
    Pass(
        "fold_mean_shift",
        fold_mean_shift,
        "the colour transform in front becomes one addition, its scale goes into the first convolution",
        "the transform cannot be inverted",
    ),
    Pass(
        "merge_sequential",
        merge_sequential,
        "two convolutions with nothing between them become one",
        "the border would change, or it costs more",
    ),
    Pass(
        "fold_shuffle",
        fold_pixel_shuffle,
        "a 1x1 convolution behind PixelShuffle goes into the one before it",
        "the folded form costs more",
    ),
    Pass(
        "merge_parallel",
        merge_parallel,
        "added branches and identities become one kernel (RepVGG, ECB)",
        "a branch is used elsewhere too",
    ),
    Pass(
        "bicubic_as_convolution",
        bicubic_as_convolution,
        "Resize becomes a 5x5 convolution and PixelShuffle",
        "no whole factor, or not measured to be faster",
        by_measurement=True,
    ),
    Pass("align_channels to 16", partial(align_channels, block=16), _ALIGNS, _NOT_ALIGNED, by_measurement=True),
    Pass("align_channels to 8", partial(align_channels, block=8), _ALIGNS, _NOT_ALIGNED, by_measurement=True),
)
"""Alignment to 8 finds nothing to do where alignment to 16 was kept."""

MIN_SPEEDUP = 1.02
"""Below it a difference is taken for noise, and the graph stays as it was."""


@dataclass(frozen=True)
class Outcome:
    """What became of a pass."""

    name: str
    places: int
    kept: bool
    note: str
    """Why it was not kept, or what it refused; empty otherwise."""
    nodes_before: int
    nodes_after: int
    speed: Comparison | None
    """None where nothing was timed."""


def apply_passes(
    model: onnx.ModelProto, pairs: Sequence[Reference], *, passes: Sequence[Pass] = PASSES, time_all: bool = False
) -> tuple[onnx.ModelProto, list[Outcome]]:
    """Run every pass on what the ones before left.

    A pass whose result differs from the network is skipped with a warning; one that is kept by measurement is skipped
    where it is not faster.

    Args:
        model: the graph as traced; not changed.
        pairs: what the network gives (`exporters.verify.references`).
        passes: in this order.
        time_all: time those too that are kept anyway, for the report.

    Returns:
        The new graph, and one outcome a pass.
    """
    outcomes = []
    for one in passes:
        candidate = onnx.ModelProto()
        candidate.CopyFrom(model)
        rewrite, speed = Rewrite(), None
        try:
            rewrite = one.rewrite(candidate)
            kept, note = rewrite.applied > 0, "; ".join(rewrite.skipped)
            if kept:
                verify(candidate, pairs)
        except (SimplifyError, VerificationError) as error:
            kept, note = False, str(error)
            _log.warning("%s is left out: %s", one.name, error)
        if kept and (one.by_measurement or time_all):
            speed = compare_speed(model, candidate, threads=1)
            alone = _compare_until(rewrite.until, model, candidate) if rewrite.until else speed
            if one.by_measurement and alone.speedup < MIN_SPEEDUP:
                kept, note = False, f"{alone.speedup:.2f}x is not faster on this machine"
        nodes_before, nodes_after = len(model.graph.node), len(candidate.graph.node)
        outcomes.append(Outcome(one.name, rewrite.applied, kept, note, nodes_before, nodes_after, speed))
        if kept:
            model = candidate
    return model, outcomes


def _compare_until(tensor: str, before: onnx.ModelProto, after: onnx.ModelProto) -> Comparison:
    """The speed of what two graphs do up to a tensor: what a step gains may be less than the noise of a whole graph."""
    parts = []
    for model in (before, after):
        part = onnx.ModelProto()
        part.CopyFrom(model)
        del part.graph.output[:]
        part.graph.output.append(helper.make_tensor_value_info(tensor, TensorProto.FLOAT, None))
        drop_unused(part)
        parts.append(part)
    return compare_speed(parts[0], parts[1], threads=1)
