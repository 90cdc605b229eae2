"""The command `sr-infer upscale`: files, folders and pipes."""

import argparse
import json
import sys
import time
from collections import Counter
from dataclasses import asdict
from pathlib import Path

from PIL import Image

from sr_infer import folders, memory
from sr_infer.atomic_file import is_same_file, open_atomic
from sr_infer.cli.arguments import (
    Subcommands,
    add_format,
    add_max_pixels,
    add_model,
    add_quality,
    add_threads,
)
from sr_infer.cli.console import DONE, NOTHING_DONE, SOME_FAILED, discard_stdout
from sr_infer.cli.progress import Progress
from sr_infer.errors import ImageError, OptionError, OutputError
from sr_infer.image_io import reader
from sr_infer.upscaler import Upscaler

_PIPE = "-"


def add_command(commands: Subcommands) -> None:
    command = commands.add_parser("upscale", help="enlarge images")
    command.add_argument("inputs", nargs="+", metavar="IN", help='images, globs, folders, or "-" for standard input')
    target = command.add_mutually_exclusive_group(required=True)
    target.add_argument("-o", "--output", metavar="OUT", help='a file, a folder, or "-" for standard output')
    target.add_argument("--in-place", action="store_true", help="replace every image by its own result")
    add_model(command)
    command.add_argument("--scale", type=float, help="output side over input side; default: the model's scale")
    command.add_argument("--width", type=int, help="width of the output in px")
    command.add_argument("--height", type=int, help="height of the output in px")
    command.add_argument("--suffix", default="", help="text to add to each file name, as in --suffix=-large")
    add_format(command)
    add_quality(command)
    command.add_argument("--skip-existing", action="store_true", help="skip images whose result exists")
    command.add_argument("--jobs", type=int, default=1, help="images at once (%(default)s)")
    command.add_argument("--max-memory", metavar="SIZE", help='memory that all jobs together may add, such as "512MB"')
    add_max_pixels(command)
    command.add_argument("--tile", type=int, metavar="PX", help="side of the tiles; default: chosen by memory")
    command.add_argument("--halo", default="8bit", help='overlap of tiles: "8bit", "exact" or px (%(default)s)')
    add_threads(command)
    command.add_argument(
        "--alpha", choices=("bicubic", "model"), default="bicubic", help="how to enlarge transparency (%(default)s)"
    )
    command.add_argument(
        "--edges",
        choices=("border", "wrap", "wrap-x"),
        default="border",
        help="beyond the image: nothing, or its other side, for textures and panoramas (%(default)s)",
    )
    command.add_argument("--ensemble", action="store_true", help="average 8 flips and rotations: 8 times the work")
    command.add_argument(
        "--json",
        action="store_true",
        help="print a JSON object for each image; to standard error if the image goes to standard output",
    )
    command.set_defaults(run=_run)


def _run(parsed: argparse.Namespace) -> int:
    Image.MAX_IMAGE_PIXELS = None  # max_pixels decides
    upscaler = Upscaler(
        parsed.model,
        tile=parsed.tile,
        halo=int(parsed.halo) if parsed.halo.isdecimal() else parsed.halo,
        max_memory=parsed.max_memory,
        max_pixels=parsed.max_pixels,
        threads=parsed.threads,
        alpha=parsed.alpha,
        edges=parsed.edges,
        ensemble=parsed.ensemble,
    )
    options = folders.OutputOptions(
        scale=parsed.scale,
        width=parsed.width,
        height=parsed.height,
        quality=parsed.quality,
        skip_existing=parsed.skip_existing,
        overwrite_source=parsed.in_place,
    )
    if _PIPE in (*parsed.inputs, parsed.output):
        return _upscale_pipe(parsed, upscaler, options)
    output = None if parsed.in_place else Path(parsed.output)
    work = folders.tasks(parsed.inputs, output, suffix=parsed.suffix, extension=parsed.format)
    upscaler.load()
    progress = Progress(len(work))
    outcomes: list[folders.Outcome] = []

    def report(outcome: folders.Outcome) -> None:
        outcomes.append(outcome)
        if outcome.status != "failed":
            result = f"{outcome.target}, {outcome.seconds:.1f} s" if outcome.status == "done" else "skipped"
            progress.finished(outcome.source, result)
        elif len(work) > 1:
            progress.finished(outcome.source, "failed")
        if parsed.json:
            try:
                print(json.dumps(asdict(outcome), default=str), flush=True)
            except BrokenPipeError:
                discard_stdout()

    try:
        folders.run(upscaler, work, options, jobs=parsed.jobs, on_tile=progress.tile, on_outcome=report)
    except KeyboardInterrupt:
        _summarise(outcomes, len(work))
        raise
    return _summarise(outcomes, len(work))


def _summarise(outcomes: list[folders.Outcome], total: int) -> int:
    """Print the failed images and why, and return the exit code."""
    failed = [outcome for outcome in outcomes if outcome.status == "failed"]
    counts = Counter(outcome.status for outcome in outcomes)
    if total > 1 and failed:
        print(f"sr-infer: {counts['done']} done, {counts['skipped']} skipped, {len(failed)} failed:", file=sys.stderr)
    for outcome in failed:
        about = "" if str(outcome.source) in str(outcome.error) else f"{outcome.source}: "
        print(f"sr-infer: {about}{outcome.error}", file=sys.stderr)
    finished = counts["done"] + counts["skipped"]
    return DONE if finished == total else SOME_FAILED if finished else NOTHING_DONE


def _upscale_pipe(parsed: argparse.Namespace, upscaler: Upscaler, options: folders.OutputOptions) -> int:
    if len(parsed.inputs) != 1:
        raise OptionError(f'expected one input beside "-", got {len(parsed.inputs)}')
    (name,) = parsed.inputs
    if parsed.suffix or (parsed.format and parsed.output != _PIPE):
        raise OptionError('--suffix and --format are for folders, and --format for the output "-"; leave them out')
    extension = parsed.format if parsed.output == _PIPE else Path(parsed.output).suffix
    start = time.perf_counter()
    data = _read_pipe(upscaler) if name == _PIPE else _read_file(Path(name))
    result = upscaler.upscale_bytes(
        data,
        extension=extension,
        scale=options.scale,
        width=options.width,
        height=options.height,
        quality=options.quality,
    )
    if parsed.output == _PIPE:
        _write_to_pipe(result)
    else:
        target = Path(parsed.output)
        if name != _PIPE and is_same_file(Path(name), target):
            raise OutputError(f"{target} is the source itself; choose another output")
        with open_atomic(target, like=None if name == _PIPE else Path(name)) as file:
            file.write(result)
    if parsed.json:
        outcome = folders.Outcome(
            source=Path(name), target=Path(parsed.output), status="done", seconds=time.perf_counter() - start
        )
        print(json.dumps(asdict(outcome), default=str), file=sys.stderr if parsed.output == _PIPE else sys.stdout)
    return DONE


def _read_pipe(upscaler: Upscaler) -> bytes:
    if sys.stdin is None:
        raise ImageError("cannot read standard input: it is closed")
    return reader.read_bounded(
        sys.stdin.buffer,
        "standard input",
        max_pixels=upscaler.max_pixels,
        max_bytes=memory.budget_bytes(upscaler.max_memory),
    )


def _read_file(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ImageError(f"cannot read {path}: {error.strerror}") from error


def _write_to_pipe(data: bytes) -> None:
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except OSError as error:
        discard_stdout()
        raise OutputError(f"cannot write to the pipe: {error.strerror}") from error
