"""A network to a verified ONNX file: trace, rewrite, quantise if asked, verify, measure, write."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import nn

from exporters import measurements
from exporters.checkpoints.any_network import LAST_IMAGE, network_source
from exporters.checkpoints.source import Source
from exporters.fixed_window import export_windows
from exporters.graph_analysis import halo_px
from exporters.model_file import tool_versions, write_model
from exporters.passes.apply import BEFORE_INT8, FINAL, FLOAT, Outcome, apply_passes
from exporters.passes.back_project import HALO_PX, MIN_SIZE_PX, back_project, back_projected
from exporters.quantization.calibration import Calibration, read_calibration
from exporters.quantization.float_trunk import build_float_trunk
from exporters.quantization.quantize import Int8Options, Quantized, quantize
from exporters.report import GraphSize, report_json, size_of
from exporters.run_graph import Comparison, compare_speed
from exporters.trace import TRACED_HW, UnitRange, trace
from exporters.verify import (
    Reference,
    VerificationError,
    confirm_halo,
    differences_from,
    references,
    sizes_for,
    verify,
)
from sr_infer import Upscaler
from sr_infer.atomic_file import atomic_write
from sr_infer.engine.session import Session, shared
from sr_infer.errors import OptionError
from sr_infer.model_card import ModelCard
from sr_infer.model_zoo import MODELS_FOLDER, write_catalogue
from training.evaluate import Upscale
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


def export_network(
    network: nn.Module,
    output: Path | str,
    *,
    scale: int,
    value_range: float = 1.0,
    image: int = LAST_IMAGE,
    architecture: str | None = None,
    trained_on: str = "",
    licence: str = "",
    int8: Int8Options | None = None,
    benchmarks: Sequence[Path] = (),
    report: Path | None = None,
    back_projection: bool = False,
) -> Exported:
    """Write an .onnx file that computes the same as a torch module, for the runtime and for onnxruntime.

    Args:
        network: from (N, 3, H, W) or (N, 1, H, W) to `scale` times the size, on the CPU; it is set to evaluation.
        output: the .onnx file. An existing file is replaced only if the export succeeds.
        scale: output side over input side; 1 for networks that keep the size.
        value_range: what stands for white in the network, such as 1 or 255. The file takes and gives [0, 1].
        image: which one is taken where the module gives a list or tuple of images.
        architecture: for the card; None takes the name of the class.
        trained_on: data with attribution, for the card.
        licence: of the weights, for the card.
        int8: how to quantise; None stays in float32.
        benchmarks: folders on which PSNR and SSIM are measured for the card.
        report: where to write all measurements as JSON; every pass is then timed.
        back_projection: end the graph with one step of it (`exporters.passes.back_project`).

    Raises:
        SrInferError: the module is no network of this scale, torch cannot write it as a graph, the graph differs from
            it, int8 loses too much, a folder holds no image, or a file cannot be written.
    """
    source = network_source(
        network,
        scale=scale,
        value_range=value_range,
        image=image,
        architecture=architecture,
        trained_on=trained_on,
        licence=licence,
    )
    return export(
        source,
        Path(output),
        int8=int8,
        benchmarks=benchmarks,
        report=report,
        back_projection=back_projection,
    )


def export(
    source: Source,
    output: Path,
    *,
    int8: Int8Options | None = None,
    benchmarks: Sequence[Path] = (),
    report: Path | None = None,
    example: Path | None = None,
    back_projection: bool = False,
) -> Exported:
    """Write `output` from the network of a checkpoint, a module or an .onnx file.

    Args:
        source: what a reader returned: `read_checkpoint`, `network_source` or `read_onnx` of `exporters.checkpoints`.
        output: the .onnx file. An existing file is replaced only if the export succeeds.
        int8: how to quantise; None stays in float32.
        benchmarks: folders on which PSNR and SSIM are measured for the card.
        report: where to write all measurements as JSON; every pass is then timed.
        example: where to write an input and torch's output, as .npz.
        back_projection: end the graph with one step of it (`exporters.passes.back_project`).

    Raises:
        SrInferError: the graph differs from the network, int8 loses too much, int8, a report or an example is asked of
            a network with a fixed window, a folder holds no image, or a file cannot be written.
    """
    check_different([path for path in (output, report, example) if path is not None])
    measurements.by_name(benchmarks)
    if int8 is not None and source.channels == 1:
        raise OptionError("int8 is for RGB networks, got one of luma; export it without --int8")
    if back_projection and (source.scale == 1 or source.window_px is not None):
        raise OptionError("back-projection is for networks that enlarge pictures of any size")
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
            _write_example(source.unit_range(), example_file, back_projection=back_projection)
        built = _build(source, int8, calibration, time_all=report is not None, back_projection=back_projection)
        write_model(built.model, built.card, temporary, source.metadata)
        card = _measure(temporary, source, built.card, benchmarks)
        write_model(built.model, card, temporary, source.metadata)
        if report_file is not None:
            report_file.write_text(_report(built, card, temporary), encoding="utf-8")
    if output.resolve().parent == MODELS_FOLDER:
        write_catalogue()
    return Exported(card, quantized=built.quantized, int8_speed=built.int8_speed)


def check_different(paths: Sequence[Path]) -> None:
    """
    Raises:
        OptionError: one path is given twice.
    """
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


def _build(
    source: Source, int8: Int8Options | None, calibration: Calibration | None, *, time_all: bool, back_projection: bool
) -> _Built:
    """Trace, rewrite, quantise if asked, and verify."""
    unit_range_network = source.unit_range()
    if back_projection:
        source = replace(source, min_size_px=max(source.min_size_px, MIN_SIZE_PX))
    sizes_hw = sizes_for(min_size_px=source.min_size_px, multiple_of_px=source.multiple_of_px)
    pairs = references(unit_range_network, sizes_hw=sizes_hw, channels=source.channels)
    traced = source.graph or trace(unit_range_network, channels=source.channels, size_hw=_traced_hw(source))
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
    if back_projection:
        model, pairs = back_project(model, scale=source.scale), [back_projected(pair) for pair in pairs]
        added_macs_per_px, shipped = size_of(model).macs_per_px - shipped.macs_per_px, size_of(model)
        halo += HALO_PX
        if source.macs_per_px is not None:
            source = replace(source, macs_per_px=source.macs_per_px + added_macs_per_px)
    halo = -(-halo // source.multiple_of_px) * source.multiple_of_px
    is_float = quantized is None
    model, last = apply_passes(model, pairs if is_float else (), passes=FINAL, time_all=time_all)
    onnx.checker.check_model(model, full_check=True)
    differences = verify(model, pairs) if is_float else differences_from(model, pairs)
    _confirm_halo(source, model, halo_px=halo)
    return _Built(
        model=model,
        card=_card(source, model, shipped, halo=halo, precision="float32" if is_float else "int8"),
        traced=size_of(traced),
        shipped=shipped,
        outcomes=[*outcomes, *last],
        differences=differences,
        rounding=max(pair.rounding for pair in pairs),
        quantized=quantized,
        int8_speed=speed,
    )


def _traced_hw(source: Source) -> tuple[int, int]:
    """Two different sides, large enough that no inner tensor is 1 px high or wide."""
    if source.min_size_px == source.multiple_of_px == 1:
        return TRACED_HW
    least = -(-(3 * source.min_size_px) // source.multiple_of_px)
    return (least + 1) * source.multiple_of_px, least * source.multiple_of_px


def _confirm_halo(source: Source, model: onnx.ModelProto, *, halo_px: int) -> None:
    try:
        confirm_halo(model, halo_px=halo_px, min_size_px=source.min_size_px, multiple_of_px=source.multiple_of_px)
    except VerificationError:
        if not source.is_foreign:  # how far tiles of foreign networks are from the whole is measured
            raise


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


def _card(source: Source, model: onnx.ModelProto, shipped: GraphSize, *, halo: int, precision: str) -> ModelCard:
    return ModelCard(
        scale=source.scale,
        architecture=source.architecture,
        halo_px=halo,
        halo_8bit_px=halo,
        multiple_of_px=source.multiple_of_px,
        min_size_px=source.min_size_px,
        colour="RGB" if source.channels == 3 else "Y",
        global_pooling=any(value.name == "pooled" for value in model.graph.input),
        precision=precision,
        params=shipped.parameters if source.params is None else source.params,
        macs_per_px=shipped.macs_per_px if source.macs_per_px is None else source.macs_per_px,
        trained_on=source.trained_on,
        licence=source.licence,
        exporter=tool_versions(),
    )


def _measure(path: Path, source: Source, card: ModelCard, benchmarks: Sequence[Path]) -> ModelCard:
    session = shared(path)
    tiles = measurements.tile_equality(session)[card.halo_px] if source.is_foreign else None
    return replace(
        card,
        tile_db=round(tiles.psnr_db, 1) if tiles is not None and tiles.changed_share else None,
        tile_levels=tiles.largest_levels if tiles is not None else None,
        flat_levels=measurements.flat_levels(session),
        halo_8bit_px=measurements.halo_8bit_px(session, measurements.photographs(), halo_px=card.halo_px),
        bytes_per_px=measurements.bytes_per_px(path),
        quality=measurements.quality(_upscale(path, session), benchmarks, scale=card.scale),
    )


def _upscale(path: Path, session: Session) -> Upscale:
    """The file on RGB pictures in one piece; of luma networks with chroma as the runtime adds it."""
    return Upscaler(model=path) if session.card.colour == "Y" else partial(measurements.levels, session)


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


def _write_example(network: UnitRange, path: Path, *, back_projection: bool) -> None:
    """Write 24x32 px of a photograph and torch's result, `lr` and `sr`, uint8 (H, W, 3), as an .npz file."""
    lr = np.ascontiguousarray(measurements.photographs()[0][100:124, 200:232])
    batch = torch.from_numpy(lr.transpose(2, 0, 1).copy())[None].float() / 255
    with torch.no_grad():
        pair = Reference(batch.numpy(), network(batch).numpy(), rounding=0)
    result = (back_projected(pair) if back_projection else pair).sr[0].transpose(1, 2, 0)
    sr = np.rint(result.clip(0, 1) * 255).astype(np.uint8)
    with path.open("wb") as file:
        np.savez_compressed(file, lr=lr, sr=sr)
