"""The command `sr-infer compare`: PSNR, SSIM and the differences of two images."""

import argparse
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sr_infer.cli.arguments import Subcommands, add_json, add_max_pixels
from sr_infer.cli.console import DONE, print_facts
from sr_infer.errors import ImageError
from sr_infer.image_io import reader, writer
from sr_infer.image_io.metadata import Metadata
from sr_infer.metrics import psnr_y, ssim_y

_Levels: TypeAlias = NDArray[np.uint8]


def add_command(commands: Subcommands) -> None:
    command = commands.add_parser("compare", help="PSNR and SSIM of two images, and where they differ")
    command.add_argument("a", metavar="A")
    command.add_argument("b", metavar="B")
    command.add_argument("--border", type=int, default=0, help="px to leave out on each side (%(default)s)")
    add_max_pixels(command)
    command.add_argument("-o", "--output", type=Path, metavar="PNG", help="write the difference as an image")
    command.add_argument("--amplify", type=int, default=20, help="factor on the difference image (%(default)s)")
    add_json(command)
    command.set_defaults(run=_run)


def _run(parsed: argparse.Namespace) -> int:
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
    print_facts(facts, as_json=parsed.json)
    return DONE


def _rgb_and_opacity(name: str, max_pixels: int) -> tuple[_Levels, _Levels]:
    """(H, W, 3) and (H, W), 255 for an image without alpha."""
    pixels = reader.read(name, max_pixels=max_pixels).pixels
    if pixels.dtype != np.uint8:
        raise ImageError(f"{name}: expected 8 bits per channel to compare, got {pixels.dtype}; convert it first")
    colour = pixels[..., : 1 if pixels.shape[2] < 3 else 3]
    opacity = pixels[..., -1] if pixels.shape[2] in (2, 4) else np.full(pixels.shape[:2], 255, np.uint8)
    return (np.repeat(colour, 3, axis=2) if colour.shape[2] == 1 else colour), opacity
