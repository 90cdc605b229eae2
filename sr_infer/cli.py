"""The `sr-infer` command. Exit code 0: all done, 1: some pictures failed, 2: nothing was done."""

import argparse
import json
import logging
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from PIL import Image

from sr_infer import __version__, cli_reach, doctor, encode, files, images, measure
from sr_infer.errors import ImageError, OptionError, SrInferError
from sr_infer.exit_codes import DONE, NOTHING_DONE, SOME_FAILED
from sr_infer.metadata import Metadata
from sr_infer.metrics import psnr_y, ssim_y
from sr_infer.model_zoo import DEFAULT_MODEL, available_models, find
from sr_infer.progress import Progress
from sr_infer.session import shared
from sr_infer.upscaler import Upscaler

_PIPE = "-"


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command and end the process with its exit code."""
    logging.captureWarnings(True)
    logging.basicConfig(format="sr-infer: %(message)s")
    logging.getLogger("py.warnings").setLevel(logging.ERROR)
    parsed = _parser().parse_args(arguments)
    try:
        code: int = parsed.run(parsed)
    except SrInferError as error:
        print(f"sr-infer: {error}", file=sys.stderr)
        code = NOTHING_DONE
    except KeyboardInterrupt:
        print("\nsr-infer: interrupted", file=sys.stderr)
        code = NOTHING_DONE
    sys.exit(code)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="sr-infer", description="Super-resolution on a plain CPU.", epilog=__doc__)
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_upscale(commands.add_parser("upscale", help="enlarge pictures"))

    cli_reach.add_commands(commands)

    models = commands.add_parser("models", help="list the shipped models")
    models.set_defaults(run=_models)

    info = commands.add_parser("info", help="show a model's card")
    info.add_argument("model", help="name or path of a model")
    info.set_defaults(run=_info)

    bench = commands.add_parser("bench", help="measure a model's time and memory on this machine")
    bench.add_argument("model", nargs="?", default=DEFAULT_MODEL, help="name or path of a model (%(default)s)")
    bench.add_argument("--size", default="96x96", metavar="WxH", help="of the input in px (%(default)s)")
    bench.add_argument("--repeats", type=int, default=5)
    bench.set_defaults(run=_bench)

    compare = commands.add_parser("compare", help="PSNR and SSIM of two pictures, and where they differ")
    compare.add_argument("a", metavar="A")
    compare.add_argument("b", metavar="B")
    compare.add_argument("--border", type=int, default=0, help="px left out on each side (%(default)s)")
    compare.add_argument("-o", "--output", type=Path, metavar="PNG", help="write the difference as a picture")
    compare.add_argument("--amplify", type=int, default=20, help="factor on the difference picture (%(default)s)")
    compare.set_defaults(run=_compare)

    checkup = commands.add_parser("doctor", help="what this machine allows, and what the default model costs on it")
    checkup.set_defaults(run=_doctor)
    for command in (models, info, bench, compare, checkup):
        command.add_argument("--json", action="store_true", help="print JSON")
    return parser


def _add_upscale(upscale: argparse.ArgumentParser) -> None:
    upscale.add_argument("inputs", nargs="+", metavar="IN", help='pictures, globs, folders, or "-" for standard input')
    upscale.add_argument("-o", "--output", required=True, metavar="OUT", help='a file, a folder, or "-"')
    upscale.add_argument("-m", "--model", default=DEFAULT_MODEL, help="name or path of a model (%(default)s)")
    upscale.add_argument("--scale", type=float, help="output side over input side; the model's own otherwise")
    upscale.add_argument("--width", type=int, help="of the output in px")
    upscale.add_argument("--height", type=int, help="of the output in px")
    upscale.add_argument("--suffix", default="", help='put behind each file name, such as "-large"')
    upscale.add_argument("--format", metavar="EXT", help="of all results, such as png; each file's own otherwise")
    upscale.add_argument(
        "--quality", type=int, default=encode.DEFAULT_QUALITY, help="of JPEG, WebP, AVIF (%(default)s)"
    )
    upscale.add_argument("--skip-existing", action="store_true", help="leave out pictures whose result is there")
    upscale.add_argument("--jobs", type=int, default=1, help="pictures at once (%(default)s)")
    upscale.add_argument("--max-memory", metavar="SIZE", help='what all jobs together may add, such as "512MB"')
    upscale.add_argument("--max-pixels", type=int, default=images.MAX_PIXELS, help="files with more are refused")
    upscale.add_argument("--tile", type=int, metavar="PX", help="side of the tiles; chosen by memory otherwise")
    upscale.add_argument("--halo", default="8bit", help='"8bit", "exact" or px (%(default)s)')
    upscale.add_argument("--threads", type=int, help="processors to keep busy; all that may be used otherwise")
    upscale.add_argument(
        "--alpha", choices=("bicubic", "model"), default="bicubic", help="how transparency is enlarged"
    )
    upscale.add_argument("--ensemble", action="store_true", help="average 8 flips and rotations: 8 times the work")
    upscale.add_argument("--json", action="store_true", help="print a JSON object for each picture")
    upscale.set_defaults(run=_upscale)


def _upscale(parsed: argparse.Namespace) -> int:
    upscaler = Upscaler(
        parsed.model,
        tile=parsed.tile,
        halo=int(parsed.halo) if parsed.halo.isdigit() else parsed.halo,
        max_memory=parsed.max_memory,
        max_pixels=parsed.max_pixels,
        threads=parsed.threads,
        alpha=parsed.alpha,
        ensemble=parsed.ensemble,
    )
    options = files.OutputOptions(
        scale=parsed.scale,
        width=parsed.width,
        height=parsed.height,
        quality=parsed.quality,
        skip_existing=parsed.skip_existing,
    )
    if _PIPE in (*parsed.inputs, parsed.output):
        return _upscale_pipe(parsed, upscaler, options)
    work = files.tasks(parsed.inputs, Path(parsed.output), suffix=parsed.suffix, extension=parsed.format)
    upscaler.load()
    progress = Progress(len(work))
    outcomes: list[files.Outcome] = []

    def tell(outcome: files.Outcome) -> None:
        outcomes.append(outcome)
        if outcome.status != "failed":
            result = f"{outcome.target}, {outcome.seconds:.1f} s" if outcome.status == "done" else "skipped"
            progress.finished(outcome.source, result)
        elif len(work) > 1:
            progress.finished(outcome.source, "failed")
        if parsed.json:
            print(json.dumps(asdict(outcome), default=str), flush=True)

    try:
        files.run(upscaler, work, options, jobs=parsed.jobs, on_tile=progress.tile, on_outcome=tell)
    except KeyboardInterrupt:
        print("\nsr-infer: interrupted", file=sys.stderr)
    return _summed_up(outcomes, len(work))


def _summed_up(outcomes: list[files.Outcome], total: int) -> int:
    """Print what failed and why, and tell the exit code."""
    failed = [outcome for outcome in outcomes if outcome.status == "failed"]
    counts = Counter(outcome.status for outcome in outcomes)
    if total > 1 and failed:
        print(f"sr-infer: {counts['done']} done, {counts['skipped']} skipped, {len(failed)} failed:", file=sys.stderr)
    for outcome in failed:
        print(f"sr-infer: {outcome.source}: {outcome.error}", file=sys.stderr)
    finished = counts["done"] + counts["skipped"]
    return DONE if finished == total else SOME_FAILED if finished else NOTHING_DONE


def _upscale_pipe(parsed: argparse.Namespace, upscaler: Upscaler, options: files.OutputOptions) -> int:
    if len(parsed.inputs) != 1:
        raise OptionError(f'expected one input beside "-", got {len(parsed.inputs)}')
    (name,) = parsed.inputs
    extension = parsed.format
    if parsed.output != _PIPE:
        extension = Path(parsed.output).suffix or extension
    try:
        data = sys.stdin.buffer.read() if name == _PIPE else Path(name).read_bytes()
    except OSError as error:
        raise ImageError(f"cannot read {name}: {error.strerror}") from error
    result = upscaler.upscale_bytes(
        data,
        extension=extension,
        scale=options.scale,
        width=options.width,
        height=options.height,
        quality=options.quality,
    )
    if parsed.output == _PIPE:
        sys.stdout.buffer.write(result)
    else:
        with encode.replacing(Path(parsed.output)) as temporary:
            temporary.write_bytes(result)
    return DONE


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
    height, width = cli_reach.size_hw(parsed.size)
    call = measure.upscale_case(parsed.model, height, width)
    took = measure.latency(call, repeats=parsed.repeats)
    peak = measure.peak_memory("sr_infer.measure:upscale_case", parsed.model, height, width)
    facts = {
        "model": parsed.model,
        "size": parsed.size,
        "median_ms": round(took.median_ms, 1),
        "spread_ms": round(took.spread_ms, 1),
        "input_megapixels_per_s": round(width * height / took.median_ms / 1e3, 3),
        "peak_added_bytes": peak.added_bytes,
    }
    _print_facts(facts, as_json=parsed.json)
    return DONE


def _compare(parsed: argparse.Namespace) -> int:
    a, b = (_rgb(name) for name in (parsed.a, parsed.b))
    facts = {
        "psnr_y": psnr_y(a, b, border=parsed.border),
        "ssim_y": ssim_y(a, b, border=parsed.border),
        "largest_difference": int(np.abs(a.astype(int) - b).max()),
    }
    if parsed.output is not None:
        difference = np.clip(np.abs(a.astype(int) - b) * parsed.amplify, 0, 255).astype(np.uint8)
        encode.write(Image.fromarray(difference), parsed.output, Metadata())
    _print_facts(facts, as_json=parsed.json)
    return DONE


def _rgb(name: str) -> np.ndarray[Any, np.dtype[np.uint8]]:
    pixels = images.read(name).pixels
    if pixels.dtype != np.uint8:
        raise ImageError(f"{name}: expected 8 bits per channel to compare, got {pixels.dtype}")
    colour = pixels[..., : 1 if pixels.shape[2] < 3 else 3]
    return np.repeat(colour, 3, axis=2) if colour.shape[2] == 1 else colour


def _doctor(parsed: argparse.Namespace) -> int:
    _print_facts(doctor.report(), as_json=parsed.json)
    return DONE


def _print_facts(facts: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(facts))
        return
    for name, value in facts.items():
        print(f"{name}: {', '.join(map(str, value)) or 'none' if isinstance(value, list) else value}")
