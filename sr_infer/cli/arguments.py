"""Arguments that several subcommands share."""

import argparse
from typing import TypeAlias

from sr_infer.errors import OptionError
from sr_infer.image_io.formats import DEFAULT_QUALITY
from sr_infer.image_io.reader import MAX_PIXELS
from sr_infer.model_zoo import DEFAULT_MODEL

Subcommands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
"""What `add_subparsers` returns."""


def add_model(command: argparse.ArgumentParser) -> None:
    command.add_argument("-m", "--model", default=DEFAULT_MODEL, help="name or path of a model (%(default)s)")


def add_threads(command: argparse.ArgumentParser) -> None:
    command.add_argument("--threads", type=int, help="processors to keep busy; default: all that may be used")


def add_max_memory(command: argparse.ArgumentParser) -> None:
    command.add_argument("--max-memory", metavar="SIZE", help='memory that may be added, such as "512MB"')


def add_max_pixels(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--max-pixels", type=int, default=MAX_PIXELS, help="refuse files with more pixels (%(default)s)"
    )


def add_quality(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--quality", type=int, default=DEFAULT_QUALITY, help="quality of JPEG, WebP and AVIF, 1 to 100 (%(default)s)"
    )


def add_format(command: argparse.ArgumentParser) -> None:
    command.add_argument("--format", metavar="EXT", help="format of all results, such as png; default: as the input")


def add_json(command: argparse.ArgumentParser) -> None:
    command.add_argument("--json", action="store_true", help="print JSON")


def parse_size_hw(text: str) -> tuple[int, int]:
    """Height and width of a size such as "640x360".

    Raises:
        OptionError: not two positive whole numbers, or more pixels than images may have.
    """
    width, _, height = text.partition("x")
    if not (width.isdecimal() and height.isdecimal() and int(width) and int(height)):
        raise OptionError(f"expected a size such as 640x360, got {text!r}")
    if int(height) * int(width) > MAX_PIXELS:
        raise OptionError(f"expected a size of at most {MAX_PIXELS / 1e6:.0f} megapixels, got {text}")
    return int(height), int(width)
