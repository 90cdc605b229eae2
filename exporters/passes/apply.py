"""All passes, in their order. Each is verified against the network and kept only where it pays."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import onnx
from onnx import TensorProto, helper

from exporters.graph import Rewrite, drop_unused
from exporters.passes.align_channels import WIDTH_MULTIPLE, align_channels
from exporters.passes.bicubic_as_convolution import bicubic_as_convolution
from exporters.passes.channels_last import channels_last
from exporters.passes.fold_mean_shift import fold_mean_shift
from exporters.passes.fold_padded_bias import fold_padded_bias
from exporters.passes.fold_pixel_shuffle import fold_pixel_shuffle
from exporters.passes.integer_mean import integer_mean
from exporters.passes.merge_parallel import merge_parallel
from exporters.passes.merge_sequential import merge_sequential
from exporters.passes.recompute_head import recompute_head
from exporters.passes.share_pooling import share_pooling
from exporters.passes.simplify import SimplifyError, simplify
from exporters.passes.store_fp16_weights import store_fp16_weights
from exporters.run_graph import Comparison, compare_speed
from exporters.verify import Reference, VerificationError, verify

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Pass:
    """A function that rewrites a graph in place and keeps what the graph computes."""

    name: str
    """Its name in reports and in the table of `exporters.passes_table`."""
    rewrite: Callable[[onnx.ModelProto], Rewrite]
    does: str = ""
    """What it does, for the table."""
    refuses: str = ""
    """When it skips a place, for the table."""
    by_measurement: bool = False
    """True: the gain depends on the machine, so the pass is kept only if it is faster here on one thread."""


def _simplify(model: onnx.ModelProto) -> Rewrite:
    model.CopyFrom(simplify(model))
    return Rewrite(applied=1)


_ALIGNS = "inner channels are zero-padded to whole SIMD blocks"
_NOT_ALIGNED = "widths that are multiples of 4 or below half a block, or not measured to be faster"

SIMPLIFY = Pass("onnxsim", _simplify, "constants folded, then the ONNX checker", "the result is not valid")
STORE_FP16_WEIGHTS = Pass(
    "store_fp16_weights",
    store_fp16_weights,
    "weights that float16 holds exactly are stored in float16",
    "float16 would change a value, or the tensor is small",
)

FLOAT = (
    SIMPLIFY,
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
"""Passes on the traced graph. Alignment to 8 finds nothing to do where alignment to 16 was kept."""

BEFORE_INT8 = (
    Pass(
        f"align_channels to {WIDTH_MULTIPLE}",
        partial(align_channels, block=WIDTH_MULTIPLE),
        "int8: inner channels are zero-padded to a multiple of 4, for fast 8-bit kernels",
        "widths that are multiples of 4",
    ),
)
"""Passes on the float graph that is quantised next."""

INT8 = (
    Pass(
        "channels_last",
        channels_last,
        "int8: tensors that float layers add to a trunk come with channels last, as 8-bit convolutions read them",
        "no sum or concatenation reads the tensor",
    ),
)
"""Passes on the quantised graph. Its loss is measured after them."""

FINAL = (
    Pass(
        "recompute_head",
        recompute_head,
        "the first convolution is computed again where a long skip adds it, so that its result need not wait in memory",
        "it costs more than 1 % of the work, or the file is int8",
    ),
    Pass(
        "share_pooling",
        share_pooling,
        "channel attention may be given the whole image's averages, so that tiles have no seams",
        "the network pools nothing",
    ),
    Pass(
        "integer_mean",
        integer_mean,
        "int8: spatial means of 8-bit tensors are summed as integers",
        "the mean reads a float tensor",
    ),
    STORE_FP16_WEIGHTS,
)
"""Passes that must run last, in every export: later passes would undo them, or could not read what they leave."""

MIN_SPEEDUP = 1.02
"""A smaller speedup counts as noise, and the graph stays as it was."""


@dataclass(frozen=True)
class Outcome:
    """The result of one pass."""

    name: str
    places: int
    """How many places it rewrote."""
    kept: bool
    note: str
    """Why it was not kept, or what it skipped; empty otherwise."""
    nodes_before: int
    nodes_after: int
    speed: Comparison | None
    """None where nothing was timed."""


def apply_passes(
    model: onnx.ModelProto, pairs: Sequence[Reference], *, passes: Sequence[Pass] = FLOAT, time_all: bool = False
) -> tuple[onnx.ModelProto, list[Outcome]]:
    """Run passes in order, each on the result of the one before.

    A pass whose result differs from the network is skipped with a warning. A pass that is kept by measurement is
    skipped where it is not faster.

    Args:
        model: the graph; it is not changed.
        pairs: the network's results (`exporters.verify.references`). Empty for int8 graphs, whose loss is measured on
            images instead: then a pass is kept if onnxruntime loads its result.
        passes: the passes, in this order.
        time_all: also time passes that are kept in any case, for the report.

    Returns:
        The new graph, and one outcome for each pass.
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
