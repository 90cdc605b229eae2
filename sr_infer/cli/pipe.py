"""The command `sr-infer pipe`: raw video frames from standard input to standard output."""

import argparse
import sys
import time

from sr_infer import pipe
from sr_infer.cli.arguments import Subcommands, add_max_memory, add_model, add_threads, parse_size_hw
from sr_infer.cli.console import DONE, SOME_FAILED, discard_stdout
from sr_infer.errors import ImageError, OutputError
from sr_infer.upscaler import Upscaler


def add_command(commands: Subcommands) -> None:
    command = commands.add_parser("pipe", help="enlarge raw video frames from standard input to standard output")
    command.add_argument("--size", required=True, metavar="WxH", help="size of the frames in px; they are rgb24")
    add_model(command)
    add_max_memory(command)
    add_threads(command)
    command.add_argument("--jobs", type=int, help="frames at once; default: one for each thread")
    command.set_defaults(run=_run)


def _run(parsed: argparse.Namespace) -> int:
    if sys.stdin is None:
        raise ImageError("cannot read standard input: it is closed")
    upscaler = Upscaler(parsed.model, max_memory=parsed.max_memory, threads=parsed.threads)
    height, width = parse_size_hw(parsed.size)
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
        discard_stdout()
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
