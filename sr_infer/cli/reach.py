"""The commands that reach beyond pictures and processes of one's own: `batch`, `web`, `pipe`."""

import argparse
import sys
import time
from pathlib import Path
from typing import Any

from sr_infer import pipe
from sr_infer.cli import standard_output
from sr_infer.cli.exit_codes import DONE, NOTHING_DONE, SOME_FAILED
from sr_infer.cli.progress import Progress
from sr_infer.errors import OptionError, OutputError
from sr_infer.folders import OutputOptions
from sr_infer.image_io.reader import MAX_PIXELS
from sr_infer.image_io.writer import DEFAULT_QUALITY
from sr_infer.model_zoo import DEFAULT_MODEL
from sr_infer.upscaler import Upscaler


def add_commands(commands: "argparse._SubParsersAction[Any]") -> None:
    """Add the subcommands to those of `sr-infer`."""
    _add_batch(commands.add_parser("batch", help="enlarge a folder of pictures on all processors or a Ray cluster"))
    _add_web(commands.add_parser("web", help="serve a page on this machine to drop pictures on"))
    _add_pipe(commands.add_parser("pipe", help="enlarge raw video frames from standard input to standard output"))


def size_hw(text: str) -> tuple[int, int]:
    """Height and width of a size such as "640x360".

    Raises:
        OptionError: not two positive whole numbers, or more pixels than pictures may have.
    """
    width, _, height = text.partition("x")
    if not (width.isdecimal() and height.isdecimal() and int(width) and int(height)):
        raise OptionError(f"expected a size such as 640x360, got {text!r}")
    if int(height) * int(width) > MAX_PIXELS:
        raise OptionError(f"expected a size of at most {MAX_PIXELS / 1e6:.0f} megapixels, got {text}")
    return int(height), int(width)


def _add_batch(command: argparse.ArgumentParser) -> None:
    command.add_argument("source", metavar="SRC", help="folder, or URI that pyarrow or fsspec reads")
    command.add_argument("target", metavar="DST", help="folder or URI; pictures whose result is there are left out")
    command.add_argument("-m", "--model", default=DEFAULT_MODEL, help="name or path of a model (%(default)s)")
    command.add_argument("--max-memory", default="1GB", metavar="SIZE", help="of each worker (%(default)s)")
    command.add_argument("--threads", type=int, default=1, help="of each worker (%(default)s)")
    command.add_argument("--workers", type=int, help="at most; as many as there are processors for otherwise")
    command.add_argument("--address", help='of a Ray cluster, such as "auto"; this machine alone otherwise')
    command.add_argument("--overwrite", action="store_true", help="do pictures again whose result is there")
    command.add_argument("--format", metavar="EXT", help="of all results, such as png; each file's own otherwise")
    command.add_argument("--quality", type=int, default=DEFAULT_QUALITY, help="of JPEG, WebP, AVIF (%(default)s)")
    command.add_argument("--failures", choices=("jsonl", "parquet"), default="jsonl", help="format of the table in DST")
    command.set_defaults(run=_batch)


def _add_web(command: argparse.ArgumentParser) -> None:
    command.add_argument("--port", type=int, default=7860, help="at 127.0.0.1 (%(default)s)")
    command.add_argument("--max-upload", default="20MB", metavar="SIZE", help="of a file (%(default)s)")
    command.add_argument("--max-memory", metavar="SIZE", help='what may be added, such as "512MB"')
    command.add_argument("--threads", type=int, help="processors to keep busy; all that may be used otherwise")
    command.set_defaults(run=_web)


def _add_pipe(command: argparse.ArgumentParser) -> None:
    command.add_argument("--size", required=True, metavar="WxH", help="of the frames in px, which are rgb24")
    _add_upscaler(command)
    command.add_argument("--jobs", type=int, help="frames at once; one for each thread otherwise")
    command.set_defaults(run=_pipe)


def _add_upscaler(command: argparse.ArgumentParser) -> None:
    command.add_argument("-m", "--model", default=DEFAULT_MODEL, help="name or path of a model (%(default)s)")
    command.add_argument("--max-memory", metavar="SIZE", help='what may be added, such as "512MB"')
    command.add_argument("--threads", type=int, help="processors to keep busy; all that may be used otherwise")


def _batch(parsed: argparse.Namespace) -> int:
    from sr_infer.batch import Outcome, job

    progress: Progress | None = None

    def tell(outcome: Outcome, total: int) -> None:
        nonlocal progress
        progress = progress or Progress(total)
        progress.finished(Path(outcome.path), outcome.error or f"{outcome.seconds:.1f} s")

    counts = job.run(
        parsed.source,
        parsed.target,
        Upscaler(parsed.model, max_memory=parsed.max_memory, threads=parsed.threads),
        OutputOptions(quality=parsed.quality, skip_existing=not parsed.overwrite),
        extension=parsed.format,
        workers=parsed.workers,
        address=parsed.address,
        failures=parsed.failures,
        on_outcome=tell,
    )
    table = f"; see failures.{parsed.failures} there" if counts.failed else ""
    print(
        f"sr-infer: {counts.done} done, {counts.skipped} skipped, {counts.failed} failed in {parsed.target}{table}",
        file=sys.stderr,
    )
    if not counts.failed:
        return DONE
    return SOME_FAILED if counts.done or counts.skipped else NOTHING_DONE


def _web(parsed: argparse.Namespace) -> int:
    from sr_infer.web import server

    server.serve(port=parsed.port, max_upload=parsed.max_upload, max_memory=parsed.max_memory, threads=parsed.threads)
    return DONE


def _pipe(parsed: argparse.Namespace) -> int:
    upscaler = Upscaler(parsed.model, max_memory=parsed.max_memory, threads=parsed.threads)
    height, width = size_hw(parsed.size)
    scale = upscaler.card.scale
    print(f"sr-infer: {width}x{height} to {width * scale}x{height * scale} px, rgb24", file=sys.stderr)
    start = time.perf_counter()

    def state(frames: int) -> str:
        elapsed = time.perf_counter() - start
        return f"{frames} frames, {elapsed:.1f} s, {frames / elapsed:.2f} frames/s"

    def show(frames: int) -> None:
        print(f"{line_start}{state(frames)}", end="", file=sys.stderr, flush=True)

    line_start = "\r\033[K" if sys.stderr.isatty() else ""
    try:
        frames = pipe.upscale_frames(
            upscaler,
            sys.stdin.buffer,
            sys.stdout.buffer,
            (height, width),
            jobs=parsed.jobs,
            on_frame=show if line_start else None,
        )
    except OutputError:
        standard_output.let_go()
        raise
    print(f"{line_start}sr-infer: {state(frames.written)}", file=sys.stderr)
    if frames.missing_bytes:
        print(
            f"sr-infer: the last frame lacks {frames.missing_bytes} of {width * height * 3} bytes and was left out; "
            f"is --size {parsed.size} right?",
            file=sys.stderr,
        )
        return SOME_FAILED
    return DONE
