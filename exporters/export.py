"""A checkpoint to a verified ONNX file: read, trace, rewrite, quantise if asked, verify, measure, write."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import torch

from exporters import measurements
from exporters.checkpoints.read import read_checkpoint
from exporters.checkpoints.source import Source
from exporters.fixed_window import export_windows
from exporters.graph_analysis import halo_px
from exporters.model_file import tool_versions, write_model
from exporters.passes.apply import BEFORE_INT8, FINAL, FLOAT, Outcome, apply_passes
from exporters.quantization.calibration import Calibration, read_calibration
from exporters.quantization.float_trunk import build_float_trunk
from exporters.quantization.quantize import Int8Options, Quantized, quantize
from exporters.report import GraphSize, report_json, size_of
from exporters.run_graph import Comparison, compare_speed
from exporters.trace import UnitRange, trace
from exporters.verify import Reference, confirm_halo, differences_from, references, verify
from sr_infer.atomic_file import atomic_write
from sr_infer.engine.session import shared
from sr_infer.errors import OptionError
from sr_infer.model_card import ModelCard
from sr_infer.model_zoo import MODELS_FOLDER, write_catalogue
from training.networks import Plain


@dataclass(frozen=True)
class Exported:
    """The card of the written file, and what was measured on the way."""

    card: ModelCard
    tiles_db: float | None = None
    """Luma PSNR in dB between a photograph in tiles and as a whole; only for networks with a fixed window."""
    quantized: Quantized | None = None
    int8_speed: dict[int, Comparison] | None = None
    """Threads -> the float graph against the int8 graph."""


def export(
    checkpoint: Path,
    output: Path,
    *,
    int8: Int8Options | None = None,
    benchmarks: Sequence[Path] = (),
    report: Path | None = None,
    example: Path | None = None,
) -> Exported:
    """Write `output` from `checkpoint`.

    Args:
        checkpoint: a file that `exporters.checkpoints.read.read_checkpoint` reads.
        output: the .onnx file. An existing file is replaced only if the export succeeds.
        int8: how to quantise; None stays in float32.
        benchmarks: folders on which PSNR and SSIM are measured for the card.
        report: where to write all measurements as JSON; every pass is then timed.
        example: where to write an input and torch's output, as .npz.

    Raises:
        SrInferError: the checkpoint cannot be read, the graph differs from the network, int8 loses too much, int8, a
            report or an example is asked of a network with a fixed window, a folder holds no image, or a file cannot
            be written.
    """
    _check_different([path for path in (checkpoint, output, report, example) if path is not None])
    measurements.by_name(benchmarks)
    source = read_checkpoint(checkpoint)
    if source.window_px is not None:
        _check_fits_windows(source, [int8, report, example])
    with ExitStack() as files:
        temporary = files.enter_context(atomic_write(output, make_folder=True))
        if source.window_px is not None:
            return Exported(*export_windows(source, source.window_px, temporary, benchmarks))
        report_file = files.enter_context(atomic_write(report, make_folder=True)) if report is not None else None
        example_file = files.enter_context(atomic_write(example, make_folder=True)) if example is not None else None
        calibration = read_calibration(int8.calibration, int8.validation, source.scale) if int8 is not None else None
        if example_file is not None:
            _write_example(source.unit_range(), example_file)
        built = _build(source, int8, calibration, time_all=report is not None)
        write_model(built.model, built.card, temporary)
        card = _measure(temporary, built.card, benchmarks)
        write_model(built.model, card, temporary)
        if report_file is not None:
            report_file.write_text(_report(built, card, temporary), encoding="utf-8")
    if output.resolve().parent == MODELS_FOLDER:
        write_catalogue()
    return Exported(card, quantized=built.quantized, int8_speed=built.int8_speed)


def _check_different(paths: Sequence[Path]) -> None:
    if len({path.resolve() for path in paths}) < len(paths):
        raise OptionError(f"expected different files to read and write, got {', '.join(map(str, paths))}")


def _check_fits_windows(source: Source, options: Sequence[object]) -> None:
    if any(option is not None for option in options):
        raise OptionError(
            f"{source.architecture} is exported for windows of {source.window_px}x{source.window_px} px; int8, "
            "report and example are for networks of any size"
        )


@dataclass(frozen=True)
class _Built:
    """A verified graph and what is known of it before it runs as a file."""

    model: onnx.ModelProto
    card: ModelCard
    """Without the measurements on the file."""
    traced: GraphSize
    shipped: GraphSize
    """Before the final passes."""
    outcomes: list[Outcome]
    differences: dict[tuple[int, int], float]
    """LR height and width -> the largest difference from the network, in [0, 1]."""
    rounding: float
    """The largest difference between the network in float32 and in float64."""
    quantized: Quantized | None
    int8_speed: dict[int, Comparison] | None


def _build(source: Source, int8: Int8Options | None, calibration: Calibration | None, *, time_all: bool) -> _Built:
    """Trace, rewrite, quantise if asked, and verify."""
    unit_range_network = source.unit_range()
    pairs = references(unit_range_network)
    traced = trace(unit_range_network)
    verify(traced, pairs)
    model, outcomes = apply_passes(traced, pairs, passes=FLOAT, time_all=time_all)
    quantized, speed = None, None
    if int8 is not None and calibration is not None:
        float_model, prepared = _prepare_for_int8(source, model, calibration, pairs)
        quantized = quantize(float_model, calibration, int8, reference=model)
        speed = {threads: compare_speed(model, quantized.model, threads=threads) for threads in (1, 2)}
        model = quantized.model
        outcomes += [*prepared, *quantized.outcomes]
    shipped, halo = size_of(model), halo_px(model)
    is_float = quantized is None
    model, last = apply_passes(model, pairs if is_float else (), passes=FINAL, time_all=time_all)
    onnx.checker.check_model(model, full_check=True)
    differences = verify(model, pairs) if is_float else differences_from(model, pairs)
    confirm_halo(model, halo_px=halo)
    return _Built(
        model=model,
        card=_card(source, model, halo=halo, precision="float32" if is_float else "int8"),
        traced=size_of(traced),
        shipped=shipped,
        outcomes=[*outcomes, *last],
        differences=differences,
        rounding=max(pair.rounding for pair in pairs),
        quantized=quantized,
        int8_speed=speed,
    )


def _prepare_for_int8(
    source: Source, model: onnx.ModelProto, calibration: Calibration, pairs: Sequence[Reference]
) -> tuple[onnx.ModelProto, list[Outcome]]:
    """The float graph to quantise, in widths that suit 8 bits: `model`, or a plain network with a float trunk."""
    network = source.network
    with_trunk = build_float_trunk(network, calibration.crops) if isinstance(network, Plain) else None
    if with_trunk is not None:
        unit = UnitRange(with_trunk, scale=source.scale, value_range=source.value_range).eval()
        pairs = references(unit)
        model, _ = apply_passes(trace(unit), pairs, passes=FLOAT)
    return apply_passes(model, pairs, passes=BEFORE_INT8)


def _card(source: Source, model: onnx.ModelProto, *, halo: int, precision: str) -> ModelCard:
    return ModelCard(
        scale=source.scale,
        architecture=source.architecture,
        halo_px=halo,
        halo_8bit_px=halo,
        multiple_of_px=source.multiple_of_px,
        global_pooling=any(value.name == "pooled" for value in model.graph.input),
        precision=precision,
        params=source.params,
        macs_per_px=source.macs_per_px,
        trained_on=source.trained_on,
        licence=source.licence,
        exporter=tool_versions(),
    )


def _measure(path: Path, card: ModelCard, benchmarks: Sequence[Path]) -> ModelCard:
    session = shared(path)
    return replace(
        card,
        halo_8bit_px=measurements.halo_8bit_px(session, measurements.photographs(), halo_px=card.halo_px),
        bytes_per_px=measurements.bytes_per_px(path),
        quality=measurements.quality(partial(measurements.levels, session), benchmarks, scale=card.scale),
    )


def _report(built: _Built, card: ModelCard, path: Path) -> str:
    return report_json(
        card,
        traced=built.traced,
        shipped=built.shipped,
        outcomes=built.outcomes,
        differences=built.differences,
        rounding=built.rounding,
        tiles=measurements.tile_equality(shared(path)),
        quantized=built.quantized,
        int8_speed=built.int8_speed,
    )


def _write_example(network: UnitRange, path: Path) -> None:
    """Write 24x32 px of a photograph and torch's result, `lr` and `sr`, uint8 (H, W, 3), as an .npz file."""
    lr = np.ascontiguousarray(measurements.photographs()[0][100:124, 200:232])
    batch = torch.from_numpy(lr.transpose(2, 0, 1).copy())[None].float() / 255
    with torch.no_grad():
        sr = network(batch)[0].permute(1, 2, 0).clamp(0, 1).mul(255).round().byte().numpy()
    with path.open("wb") as file:
        np.savez_compressed(file, lr=lr, sr=sr)
