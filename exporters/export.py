"""A checkpoint to a verified ONNX file: read, trace, rewrite, quantise if asked, verify, measure, write."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import onnx

from exporters import measurements
from exporters.checkpoints import read_checkpoint
from exporters.checkpoints.source import Source
from exporters.compare_speed import Comparison, compare_speed
from exporters.example import write_example
from exporters.fixed_window import export_windows
from exporters.model_file import tool_versions, write_model
from exporters.passes.align_channels import WIDTH_MULTIPLE, align_channels
from exporters.passes.apply import apply_passes
from exporters.passes.integer_mean import sum_in_8_bits
from exporters.passes.recompute_head import recompute_head
from exporters.passes.share_pooling import share_pooling
from exporters.passes.store_fp16_weights import store_half
from exporters.quantization.calibration import Calibration, read_calibration
from exporters.quantization.float_trunk import carry_in_float
from exporters.quantization.quantize import Int8Options, Quantized, quantize
from exporters.receptive_field import halo_px
from exporters.report import report_json, size_of
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
    """What was written, and what int8 cost; `int8_speed` is by threads, float against int8."""

    card: ModelCard
    tiles_db: float | None = None
    """Of a network for windows of one size: luma PSNR between a photograph in tiles and as a whole."""
    quantized: Quantized | None = None
    int8_speed: dict[int, Comparison] | None = None


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
        checkpoint: what `exporters.checkpoints.read_checkpoint` reads.
        output: the .onnx file; one that is there is replaced only when all went well.
        int8: quantise; None stays in float32.
        benchmarks: folders on which PSNR and SSIM are measured for the card.
        report: where to write what was measured on the way, as JSON; every pass is timed for it.
        example: where to write an input and torch's output, as .npz.

    Raises:
        SrInferError: the checkpoint cannot be read, the graph differs from the network, int8 loses too much, int8, a
            report or an example is asked of a network for windows of one size, a folder holds no picture, or a file
            cannot be written.
    """
    paths = [path.resolve() for path in (checkpoint, output, report, example) if path is not None]
    if len(set(paths)) < len(paths):
        raise OptionError(f"expected different files to read and write, got {', '.join(map(str, paths))}")
    measurements.by_name(benchmarks)
    source = read_checkpoint(checkpoint)
    if source.window_px is not None:
        if int8 is not None or report is not None or example is not None:
            raise OptionError(
                f"{source.architecture} is exported for windows of {source.window_px}x{source.window_px} px; int8, "
                "report and example are for networks of any size"
            )
        with atomic_write(output, make_folder=True) as temporary:
            return Exported(*export_windows(source, source.window_px, temporary, benchmarks))
    with ExitStack() as files:
        temporary = files.enter_context(atomic_write(output, make_folder=True))
        report_file = files.enter_context(atomic_write(report, make_folder=True)) if report is not None else None
        example_file = files.enter_context(atomic_write(example, make_folder=True)) if example is not None else None
        pictures = read_calibration(int8.calibration, int8.validation, source.scale) if int8 is not None else None
        unit = source.unit_range()
        if example_file is not None:
            write_example(unit, example_file)
        pairs = references(unit)
        traced = trace(unit)
        verify(traced, pairs)
        model, outcomes = apply_passes(traced, pairs, time_all=report is not None)
        quantized, speed = None, None
        if int8 is not None and pictures is not None:
            quantized = quantize(_bearing_8_bits(source, model, pictures), pictures, int8, reference=model)
            speed = {threads: compare_speed(model, quantized.model, threads=threads) for threads in (1, 2)}
            model = quantized.model
        shipped_size = size_of(model)
        card, differences = _finish(model, source, pairs, exact=quantized is None)
        write_model(model, card, temporary)
        card = _measure(temporary, card, benchmarks)
        write_model(model, card, temporary)
        if report_file is not None:
            figures = report_json(
                card,
                traced=size_of(traced),
                shipped=shipped_size,
                outcomes=outcomes,
                differences=differences,
                rounding=max(pair.rounding for pair in pairs),
                tiles=measurements.tile_equality(shared(temporary)),
                quantized=quantized,
                int8_speed=speed,
            )
            report_file.write_text(figures, encoding="utf-8")
    if output.resolve().parent == MODELS_FOLDER:
        write_catalogue()
    return Exported(card, quantized=quantized, int8_speed=speed)


def _bearing_8_bits(source: Source, model: onnx.ModelProto, pictures: Calibration) -> onnx.ModelProto:
    """The float graph to quantise: `model`, or of plain networks the carried form, in widths that suit 8 bits."""
    aligned = onnx.ModelProto()
    aligned.CopyFrom(model)
    carried = carry_in_float(source.network, pictures.crops) if isinstance(source.network, Plain) else None
    if carried is not None:
        unit = UnitRange(carried, scale=source.scale, value_range=source.value_range).eval()
        aligned = apply_passes(trace(unit), references(unit), time_all=False)[0]
    align_channels(aligned, block=WIDTH_MULTIPLE)
    return aligned


def _finish(
    model: onnx.ModelProto, source: Source, pairs: Sequence[Reference], *, exact: bool
) -> tuple[ModelCard, dict[tuple[int, int], float]]:
    """What no pass before would leave alone, the last verification, and the card as far as the graph tells it."""
    halo = halo_px(model)
    if exact:
        recompute_head(model)
    pools = share_pooling(model) > 0
    if not exact:
        sum_in_8_bits(model)
    store_half(model)
    onnx.checker.check_model(model, full_check=True)
    differences = verify(model, pairs) if exact else differences_from(model, pairs)
    confirm_halo(model, halo_px=halo)
    card = ModelCard(
        scale=source.scale,
        architecture=source.architecture,
        halo_px=halo,
        halo_8bit_px=halo,
        multiple_of_px=source.multiple_of_px,
        global_pooling=pools,
        precision="float32" if exact else "int8",
        params=source.params,
        macs_per_px=source.macs_per_px,
        trained_on=source.trained_on,
        licence=source.licence,
        exporter=tool_versions(),
    )
    return card, differences


def _measure(path: Path, card: ModelCard, benchmarks: Sequence[Path]) -> ModelCard:
    session = shared(path)
    return replace(
        card,
        halo_8bit_px=measurements.halo_8bit_px(session, measurements.photographs(), halo_px=card.halo_px),
        bytes_per_px=measurements.bytes_per_px(path),
        quality=measurements.quality(partial(measurements.levels, session), benchmarks, scale=card.scale),
    )
