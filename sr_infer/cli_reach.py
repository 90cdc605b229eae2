"""The commands that reach beyond pictures and processes of one's own: `pipe`."""

import argparse
import os
import sys
import time
from typing import Any

from sr_infer import pipe
from sr_infer.errors import OptionError, OutputError
from sr_infer.exit_codes import DONE, SOME_FAILED
from sr_infer.model_zoo import DEFAULT_MODEL
from sr_infer.upscaler import Upscaler


def add_commands(commands: "argparse._SubParsersAction[Any]") -> None:
    """Add the subcommands to those of `sr-infer`."""
    _add_pipe(commands.add_parser("pipe", help="enlarge raw video frames from standard input to standard output"))


def size_hw(text: str) -> tuple[int, int]:
    """Height and width of a size such as "640x360".

    Raises:
        OptionError: not two positive whole numbers.
    """
    width, _, height = text.partition("x")
    if not (width.isdigit() and height.isdigit() and int(width) and int(height)):
        raise OptionError(f"expected a size such as 640x360, got {text!r}")
    return int(height), int(width)


def _add_pipe(command: argparse.ArgumentParser) -> None:
    command.add_argument("--size", required=True, metavar="WxH", help="of the frames in px, which are rgb24")
    _add_upscaler(command)
    command.add_argument("--jobs", type=int, help="frames at once; one for each thread otherwise")
    command.set_defaults(run=_pipe)


def _add_upscaler(command: argparse.ArgumentParser) -> None:
    command.add_argument("-m", "--model", default=DEFAULT_MODEL, help="name or path of a model (%(default)s)")
    command.add_argument("--max-memory", metavar="SIZE", help='what may be taken, such as "512MB"')
    command.add_argument("--threads", type=int, help="processors to keep busy; all that may be used otherwise")


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
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is still buffered cannot be written
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
