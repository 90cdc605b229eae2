"""The `sr-infer` command."""

import argparse
import json
import logging
import math
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NoReturn, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sr_infer import __version__, measure
from sr_infer.cli import doctor, reach, standard_output, upscale
from sr_infer.cli.exit_codes import DONE, NOTHING_DONE
from sr_infer.engine.session import shared
from sr_infer.errors import ImageError, SrInferError
from sr_infer.image_io import reader, writer
from sr_infer.image_io.metadata import Metadata
from sr_infer.metrics import psnr_y, ssim_y
from sr_infer.model_zoo import DEFAULT_MODEL, available_models, find
from sr_infer.resources import usable_cpus

_Levels: TypeAlias = NDArray[np.uint8]

_EPILOG = (
    "For example: sr-infer upscale photo.jpg -o large.png. "
    "Exit code 0: all done, 1: some pictures failed, 2: nothing was done."
)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command and end the process with its exit code."""
    logging.captureWarnings(True)
    logging.basicConfig(format="sr-infer: %(message)s")
    for decoder in ("py.warnings", "tifffile"):  # whose complaints about damaged files end in an error of ours
        logging.getLogger(decoder).setLevel(logging.CRITICAL)
    parsed = _parser().parse_args(arguments)
    try:
        code: int = parsed.run(parsed)
        sys.stdout.flush()
    except SrInferError as error:
        print(f"sr-infer: {error}", file=sys.stderr)
        code = NOTHING_DONE
    except KeyboardInterrupt:
        print("\nsr-infer: interrupted", file=sys.stderr)
        code = NOTHING_DONE
    except OSError as error:
        standard_output.let_go()
        if not isinstance(error, BrokenPipeError):
            print(f"sr-infer: cannot write to standard output: {error.strerror}", file=sys.stderr)
        code = NOTHING_DONE
    sys.exit(code)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="sr-infer", description="Super-resolution on a plain CPU.", epilog=_EPILOG)
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    upscale.add_commands(commands)
    reach.add_commands(commands)

    models = commands.add_parser("models", help="list the shipped models")
    models.set_defaults(run=_models)

    info = commands.add_parser("info", help="show a model's card")
    info.add_argument("model", help="name or path of a model")
    info.set_defaults(run=_info)

    bench = commands.add_parser("bench", help="measure a model's time and memory on this machine")
    bench.add_argument("model", nargs="?", default=DEFAULT_MODEL, help="name or path of a model (%(default)s)")
    bench.add_argument("--size", default="96x96", metavar="WxH", help="of the input in px (%(default)s)")
    bench.add_argument("--repeats", type=int, default=9)
    bench.add_argument("--threads", type=int, help="processors to keep busy; all that may be used otherwise")
    bench.set_defaults(run=_bench)

    compare = commands.add_parser("compare", help="PSNR and SSIM of two pictures, and where they differ")
    compare.add_argument("a", metavar="A")
    compare.add_argument("b", metavar="B")
    compare.add_argument("--border", type=int, default=0, help="px left out on each side (%(default)s)")
    compare.add_argument("--max-pixels", type=int, default=reader.MAX_PIXELS, help="files with more are refused")
    compare.add_argument("-o", "--output", type=Path, metavar="PNG", help="write the difference as a picture")
    compare.add_argument("--amplify", type=int, default=20, help="factor on the difference picture (%(default)s)")
    compare.set_defaults(run=_compare)

    checkup = commands.add_parser("doctor", help="what this machine allows, and what the default model costs on it")
    checkup.set_defaults(run=_doctor)
    for command in (models, info, bench, compare, checkup):
        command.add_argument("--json", action="store_true", help="print JSON")
    return parser


def _models(parsed: argparse.Namespace) -> int:
    rows = available_models()
    if parsed.json:
        print(json.dumps([{"name": row.name, "size_bytes": row.size_bytes, **asdict(row.card)} for row in rows]))
        return DONE
    for row in rows:
        quality = ", ".join(f"{name} {figures.psnr_y:.2f} dB" for name, figures in row.card.quality.items())
        print(f"{row.name:20} x{row.card.scale}  {row.size_bytes / 1e6:5.1f} MB  {quality}")
    return DONE


def _info(parsed: argparse.Namespace) -> int:
    path = find(parsed.model)
    _print_facts({"file": str(path), **asdict(shared(path).card)}, as_json=parsed.json)
    return DONE


def _bench(parsed: argparse.Namespace) -> int:
    height, width = reach.size_hw(parsed.size)
    took = measure.latency(
        measure.upscale_case(parsed.model, height, width, None, None, parsed.threads), repeats=parsed.repeats
    )
    peak = measure.peak_memory("sr_infer.measure:first_call_case", parsed.model, height, width, parsed.threads)
    facts = {
        "model": parsed.model,
        "size": parsed.size,
        "threads": parsed.threads or usable_cpus(),
        "first_call_ms": round(peak.call_ms, 1),
        "p50_ms": round(took.median_ms, 1),
        "p90_ms": round(took.p90_ms, 1),
        "input_megapixels_per_s": round(width * height / took.median_ms / 1e3, 3),
        "imported_bytes": peak.imported_bytes,
        "peak_bytes": peak.peak_bytes,
        "grown_bytes": peak.grown_bytes,
    }
    _print_facts(facts, as_json=parsed.json)
    return DONE


def _compare(parsed: argparse.Namespace) -> int:
    Image.MAX_IMAGE_PIXELS = None  # --max-pixels decides
    (a, opacity_a), (b, opacity_b) = (_rgb_and_opacity(name, parsed.max_pixels) for name in (parsed.a, parsed.b))
    facts = {
        "psnr_y": psnr_y(a, b, border=parsed.border),
        "ssim_y": ssim_y(a, b, border=parsed.border),
        "largest_difference": int(np.abs(a.astype(int) - b).max()),
    }
    if min(opacity_a.min(), opacity_b.min()) < 255:
        facts["largest_difference_of_alpha"] = int(np.abs(opacity_a.astype(int) - opacity_b).max())
    if parsed.output is not None:
        difference = np.clip(np.abs(a.astype(int) - b) * parsed.amplify, 0, 255).astype(np.uint8)
        writer.write(Image.fromarray(difference), parsed.output, Metadata())
    _print_facts(facts, as_json=parsed.json)
    return DONE


def _rgb_and_opacity(name: str, max_pixels: int) -> tuple[_Levels, _Levels]:
    """(H, W, 3) and (H, W), 255 where the picture has no alpha."""
    pixels = reader.read(name, max_pixels=max_pixels).pixels
    if pixels.dtype != np.uint8:
        raise ImageError(f"{name}: expected 8 bits per channel to compare, got {pixels.dtype}; convert it first")
    colour = pixels[..., : 1 if pixels.shape[2] < 3 else 3]
    opacity = pixels[..., -1] if pixels.shape[2] in (2, 4) else np.full(pixels.shape[:2], 255, np.uint8)
    return (np.repeat(colour, 3, axis=2) if colour.shape[2] == 1 else colour), opacity


def _doctor(parsed: argparse.Namespace) -> int:
    _print_facts(doctor.report(), as_json=parsed.json)
    return DONE


def _print_facts(facts: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({name: None if value == math.inf else value for name, value in facts.items()}))
        return
    for name, value in facts.items():
        if isinstance(value, list):
            value = ", ".join(map(str, value)) or "none"
        print(f"{name}: {value:.4f}" if isinstance(value, float) else f"{name}: {value}")
