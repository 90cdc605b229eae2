"""A float graph as static int8: convolutions that tolerate 8 bits are quantised, the rest stays in float.

First, every convolution is quantised by itself. The mean squared error in the luma of the result is its sensitivity.
Rounding errors of different layers are independent, so they add up: with a total error N, an image on which the network
has the error M loses 10 log10(1 + N / M) dB of PSNR. This predicts which layers must stay in float for a given loss.
Layers that lose most for the work they save stay in float first. The prediction is then measured on whole images, and a
graph that loses more than allowed is refused.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from exporters.graph import Graph
from exporters.graph_analysis import PROBE_PX, macs_of, shapes_at
from exporters.passes.apply import INT8, Outcome, apply_passes
from exporters.quantization.activation_ranges import activation_ranges
from exporters.quantization.calibration import Calibration
from exporters.quantization.gptq import gptq_kernels
from exporters.quantization.insert_qdq import insert_qdq, quantisable, result_of
from exporters.run_graph import Batch, session_for
from sr_infer.errors import OptionError, SrInferError
from sr_infer.metrics import psnr_y
from training.evaluate import through_rgb

LUMA = np.array([65.481, 128.553, 24.966]) / 255
SENSITIVITY_CROPS = 4
MAX_FLOAT_SHARE = 0.5
"""Largest share of the work in float; with more, int8 is not worth its loss."""
MARGINS = (0.5, 1, 2, 4, 8)
"""The target is the allowed loss divided by these, in turn. The measured loss may be smaller or larger."""


class QuantizationError(SrInferError):
    """No int8 form within the allowed loss of PSNR was found."""


@dataclass(frozen=True, kw_only=True)
class Int8Options:
    """
    Raises:
        OptionError: `max_drop_db` is not above 0.
    """

    calibration: Path
    """Folder of HR pictures like those to be enlarged."""
    validation: Path | None = None
    """Benchmark folder on which the loss is measured; None takes pictures of `calibration` that are held out."""
    max_drop_db: float = 0.10
    """Largest allowed loss of luma PSNR, mean over the validation pictures."""
    full_range: bool = False
    """8-bit weights instead of 7-bit ones: right only on CPUs with VNNI instructions."""

    def __post_init__(self) -> None:
        if not self.max_drop_db > 0:
            raise OptionError(f"max_drop_db must be above 0, got {self.max_drop_db:g}")


@dataclass(frozen=True, kw_only=True)
class Quantized:
    """An int8 graph and what it costs."""

    model: onnx.ModelProto
    psnr_drop_db: float
    """Mean over the validation pictures."""
    worst_drop_db: float
    """Loss of the image that loses most."""
    validated_on: str
    """How many pictures, and whose, in words."""
    layers: int
    """Convolutions of the picture that could be quantised."""
    kept_in_float: tuple[str, ...]
    outcomes: Sequence[Outcome]
    """Results of the passes on the quantised graph."""


def quantize(
    model: onnx.ModelProto, pictures: Calibration, options: Int8Options, *, reference: onnx.ModelProto
) -> Quantized:
    """
    Args:
        model: a float graph that takes and gives RGB in [0, 1], before its weights are stored in half.
        pictures: that set the ranges and on which the loss is measured.
        options: limits.
        reference: the graph against which the loss is measured, if `model` is a rewritten form of it.

    Raises:
        QuantizationError: even with half of the work in float the loss is above the limit.
    """
    layers = _layers(model)
    ranges = activation_ranges(model, sorted({name for layer in layers for name in layer.rounds}), pictures.crops)
    kernels = gptq_kernels(model, [layer.name for layer in layers], pictures.crops, full_range=options.full_range)
    work = sum(layer.macs for layer in layers)

    def rewrite(chosen: Sequence[_Layer]) -> onnx.ModelProto:
        return insert_qdq(model, {layer.name: kernels[layer.name] for layer in chosen}, ranges)

    exact_db = _psnr_y(reference, pictures)
    validated_on = f"{len(exact_db)} pictures of {pictures.held_out_of}"
    crops = pictures.crops[:: -(-len(pictures.crops) // SENSITIVITY_CROPS)]
    expected = _luma_of(model, crops)
    costs = {layer: _mean_squared(_luma_of(rewrite([layer]), crops), expected) for layer in layers}
    tried = []
    for margin in MARGINS:
        in_float = _in_float(costs, exact_db, options.max_drop_db / margin)
        share = sum(layer.macs for layer in in_float) / work
        if share > MAX_FLOAT_SHARE:
            tried.append(f"for a loss of {options.max_drop_db / margin:g} dB {share:.0%} of the work stays in float")
            break
        candidate = rewrite([layer for layer in layers if layer not in in_float])
        candidate, outcomes = apply_passes(candidate, (), passes=INT8)
        drops_db = exact_db - _psnr_y(candidate, pictures)
        drop_db = float(drops_db.mean())
        if drop_db <= options.max_drop_db:
            kept = tuple(layer.name for layer in layers if layer in in_float)
            return Quantized(
                model=candidate,
                psnr_drop_db=drop_db,
                worst_drop_db=float(drops_db.max()),
                validated_on=validated_on,
                layers=len(layers),
                kept_in_float=kept,
                outcomes=outcomes,
            )
        tried.append(f"with {len(in_float)} of {len(layers)} convolutions in float it loses {drop_db:.3f} dB")
    raise QuantizationError(
        f"int8 is not worth it within {options.max_drop_db:g} dB on {validated_on}: "
        f"{', '.join(tried)}; calibrate with more pictures of the kind that is to be enlarged, allow more with "
        "--max-drop, or keep the float file"
    )


@dataclass(frozen=True)
class _Layer:
    """A convolution of the picture."""

    name: str
    """Name of its output."""
    rounds: tuple[str, str]
    """Its input and output tensors when it is quantised."""
    macs: int


def _layers(model: onnx.ModelProto) -> list[_Layer]:
    """Convolutions that can be quantised, except those on pooled statistics, which cost no time."""
    graph = Graph(model)
    shapes = shapes_at(model, (PROBE_PX, PROBE_PX))
    return [
        _Layer(node.output[0], (node.input[0], result_of(graph, node)), macs_of(node, shapes))
        for node in graph.proto.node
        if quantisable(graph, node) and shapes[node.output[0]][2:] != (1, 1)
    ]


def _in_float(costs: Mapping[_Layer, float], exact_db: NDArray[np.float64], aim_db: float) -> set[_Layer]:
    """Layers to keep in float so that the predicted loss is at most `aim_db`; the costliest for their work first."""
    exact = 255**2 / 10 ** (exact_db / 10)
    left = sum(costs.values())
    chosen = set()
    for layer in sorted(costs, key=lambda layer: costs[layer] / layer.macs, reverse=True):
        if np.mean(10 * np.log10(1 + left / exact)) <= aim_db:
            break
        chosen.add(layer)
        left -= costs[layer]
    return chosen


def _luma_of(model: onnx.ModelProto, crops: Sequence[Batch]) -> list[NDArray[np.float64]]:
    session = session_for(model)
    return [np.einsum("nchw,c->nhw", session.run(["sr"], {"lr": crop})[0], LUMA) for crop in crops]


def _mean_squared(one: Sequence[NDArray[np.float64]], other: Sequence[NDArray[np.float64]]) -> float:
    """In squared 8-bit levels."""
    return float(np.mean([np.mean((a - b) ** 2) for a, b in zip(one, other, strict=True)]) * 255**2)


def _psnr_y(model: onnx.ModelProto, pictures: Calibration) -> NDArray[np.float64]:
    """Luma PSNR in dB of each held-out image."""
    session = session_for(model)

    def upscale(lr: NDArray[np.uint8]) -> NDArray[np.uint8]:
        batch = np.ascontiguousarray(lr.transpose(2, 0, 1)[None], np.float32) / np.float32(255)
        sr = session.run(["sr"], {"lr": batch})[0][0].transpose(1, 2, 0)
        levels: NDArray[np.uint8] = np.clip(np.rint(sr * 255), 0, 255).astype(np.uint8)
        return levels

    upscale_any = through_rgb(upscale)
    return np.array([psnr_y(upscale_any(pair.lr), pair.hr, border=pictures.scale) for pair in pictures.held_out])
