"""`python -m exporters.to_onnx CHECKPOINT`: a network that training made, to a verified ONNX file with a model card.

The graph is rewritten to run fast on a CPU without changing what it computes: mean shifts and 1x1 convolutions are
folded into their neighbours, parallel branches merged; channels are padded to the SIMD block and bicubic enlargement is
done by convolution where that is measured to be faster here. What each step does and refuses: docs/passes.md.

The file computes what the network computes: every step is compared with torch at five sizes, tiny and odd ones among
them. A step that changes any value in [0, 1] by more than 1e-4 is left out with a warning; a file that does is not
written. Measured figures (halo, memory, quality) go into the file's model card.
"""

import argparse
import os
import sys
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
import onnx
import torch

from exporters import measurements
from exporters.checkpoints import read_checkpoint
from exporters.compare_speed import compare_speed
from exporters.passes import apply_passes
from exporters.quantize import Int8Options, quantize
from exporters.receptive_field import halo_px
from exporters.report import report_json, size_of
from exporters.share_pooling import share_pooling
from exporters.store_half import store_half
from exporters.trace import UnitRange, trace
from exporters.verify import confirm_halo, differences_from, references, verify
from sr_infer.errors import OptionError, OutputError, SrInferError
from sr_infer.model_card import METADATA_KEY, ModelCard
from sr_infer.model_zoo import MODELS_FOLDER, write_catalogue
from sr_infer.session import shared


def export(
    checkpoint: Path,
    output: Path,
    *,
    int8: Int8Options | None = None,
    benchmarks: tuple[Path, ...] = (),
    report: Path | None = None,
) -> ModelCard:
    """Write `output` from `checkpoint` and return the card that is in it.

    Args:
        checkpoint: what `exporters.checkpoints.read_checkpoint` reads.
        output: the .onnx file; one that is there is replaced only when all went well.
        int8: quantise; None stays in float32.
        benchmarks: folders on which PSNR and SSIM are measured for the card.
        report: where to write what was measured on the way, as JSON; every pass is timed for it.

    Raises:
        SrInferError: the checkpoint cannot be read, the graph differs from the network, int8 loses too much, a folder
            holds no picture, or the file cannot be written.
    """
    source = read_checkpoint(checkpoint)
    temporary = _temporary_beside(output)
    if report is not None:
        _temporary_beside(report)
    unit = UnitRange(source.network, scale=source.scale, value_range=source.value_range).eval()
    pairs = references(unit)
    traced = trace(unit)
    verify(traced, pairs)
    model, outcomes = apply_passes(traced, pairs, time_all=report is not None)
    quantized = quantize(model, int8, scale=source.scale) if int8 is not None else None
    speed = compare_speed(model, quantized.model) if quantized is not None else None
    model = quantized.model if quantized is not None else model
    shipped_size = size_of(model)
    halo = halo_px(model)
    pools = share_pooling(model) > 0
    store_half(model)
    onnx.checker.check_model(model, full_check=True)
    differences = differences_from(model, pairs) if quantized is not None else verify(model, pairs)
    confirm_halo(model, halo_px=halo)
    card = ModelCard(
        scale=source.scale,
        architecture=source.architecture,
        halo_px=halo,
        halo_8bit_px=halo,
        global_pooling=pools,
        precision="float32" if quantized is None else "int8",
        params=source.params,
        macs_per_px=source.macs_per_px,
        trained_on=source.trained_on,
        licence=source.licence,
        exporter={tool: version(tool) for tool in ("sr-infer", "torch", "onnx", "onnxscript", "onnxsim")},
    )
    try:
        _write(model, card, temporary)
        session = shared(temporary)
        card = replace(
            card,
            halo_8bit_px=measurements.halo_8bit_px(session, measurements.photographs(), halo_px=halo),
            bytes_per_px=measurements.bytes_per_px(temporary),
            quality=measurements.quality(session, benchmarks),
        )
        _write(model, card, temporary)
        if report is not None:
            figures = report_json(
                card,
                traced=size_of(traced),
                shipped=shipped_size,
                outcomes=outcomes,
                differences=differences,
                quantized=quantized,
                int8_speed=speed,
            )
            _write_text(report, figures)
        temporary.replace(output)
        if output.resolve().parent == MODELS_FOLDER:
            write_catalogue()
    except OSError as error:
        raise OutputError(f"cannot write {output}: {error}") from error
    finally:
        temporary.unlink(missing_ok=True)
    return card


def save_example(checkpoint: Path, path: Path) -> None:
    """Write what torch makes of a photograph's 24x32 px, for a test to replay: `lr` and `sr`, uint8 (H, W, 3)."""
    source = read_checkpoint(checkpoint)
    lr = np.ascontiguousarray(measurements.photographs()[0][100:124, 200:232])
    batch = torch.from_numpy(lr.transpose(2, 0, 1).copy())[None].float() / 255
    with torch.no_grad():
        sr = (
            UnitRange(source.network, scale=source.scale, value_range=source.value_range)(batch)[0]
            .permute(1, 2, 0)
            .clamp(0, 1)
            .mul(255)
            .round()
            .byte()
            .numpy()
        )
    temporary = _temporary_beside(path)
    try:
        with temporary.open("wb") as file:
            np.savez_compressed(file, lr=lr, sr=sr)
        temporary.replace(path)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error}") from error
    finally:
        temporary.unlink(missing_ok=True)


def _write_text(path: Path, text: str) -> None:
    temporary = _temporary_beside(path)
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _temporary_beside(path: Path) -> Path:
    """Where a file is written before it takes its name; fails at once where nothing can be written."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        if path.is_dir():
            raise IsADirectoryError(f"{path} is a folder")
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.touch()
        temporary.unlink()
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error}") from error
    return temporary


def _int8_options(
    wanted: bool, calibration: Path | None, validation: Path | None, max_drop_db: float, *, full_range: bool
) -> Int8Options | None:
    if wanted and calibration is None:
        raise OptionError("--int8 needs --calibration DIR, a folder of pictures like those to be enlarged")
    if not wanted and (calibration is not None or validation is not None or full_range):
        raise OptionError("--calibration, --validation and --full-range belong to --int8, which is not given")
    if not wanted or calibration is None:
        return None
    return Int8Options(
        calibration=calibration,
        validation=validation or calibration,
        max_drop_db=max_drop_db,
        full_range=full_range,
    )


def _write(model: onnx.ModelProto, card: ModelCard, path: Path) -> None:
    del model.metadata_props[:]
    model.metadata_props.add(key=METADATA_KEY, value=card.to_json())
    model.producer_name, model.producer_version = "sr-infer", card.exporter["sr-infer"]
    path.write_bytes(model.SerializeToString())


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m exporters.to_onnx", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "checkpoint",
        type=Path,
        metavar="CHECKPOINT",
        help=".safetensors of ours; .pt, .pth or .ckpt of DRN, DRC, EDSR, SRP, BasicSR (EDSR, MSRResNet) or MemSR",
    )
    parser.add_argument("--output", type=Path, metavar="X.onnx", help="default: the checkpoint's name, .onnx, here")
    parser.add_argument(
        "--benchmark", type=Path, action="append", default=[], metavar="DIR", help="measure PSNR and SSIM for the card"
    )
    int8 = parser.add_argument_group(
        "int8", "Static quantisation; the layers that cost most PSNR stay in float until the loss is small enough."
    )
    int8.add_argument("--int8", action="store_true", help="8-bit activations and 7-bit weights; needs --calibration")
    int8.add_argument("--calibration", type=Path, metavar="DIR", help="pictures whose shrunk versions set the ranges")
    int8.add_argument("--validation", type=Path, metavar="DIR", help="benchmark folder of the gate; default: as above")
    int8.add_argument("--max-drop", type=float, default=0.10, metavar="DB", help="largest loss of PSNR (default: 0.10)")
    int8.add_argument("--full-range", action="store_true", help="8-bit weights: only for CPUs with VNNI instructions")
    parser.add_argument("--report", type=Path, metavar="X.json", help="also write what was measured, pass by pass")
    parser.add_argument("--example", type=Path, metavar="X.npz", help="also write an input and torch's output")
    options = parser.parse_args(arguments)
    suffix = "-int8.onnx" if options.int8 else ".onnx"
    output = options.output or Path(options.checkpoint.stem + suffix)
    try:
        int8_options = _int8_options(
            options.int8, options.calibration, options.validation, options.max_drop, full_range=options.full_range
        )
        card = export(
            options.checkpoint, output, int8=int8_options, benchmarks=tuple(options.benchmark), report=options.report
        )
        if options.example:
            save_example(options.checkpoint, options.example)
    except SrInferError as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    print(f"{output}: x{card.scale}, {card.params:,} parameters, {card.macs_per_px:,} MACs/px, halo {card.halo_px} px")
    print(f"  8-bit halo {card.halo_8bit_px} px, {card.bytes_per_px:,.0f} bytes/px")
    for folder, figures in card.quality.items():
        print(f"  {folder}: {figures.psnr_y:.2f} dB, SSIM {figures.ssim_y:.4f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
