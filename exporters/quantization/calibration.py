"""Images for quantisation: crops that set the ranges, and LR-HR pairs on which the loss is measured."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from exporters.run_graph import Batch
from sr_infer.errors import ImageError
from sr_infer.resize import downscale
from training.data.folder import picture_names, read_pictures, scan_folder
from training.evaluate import Pair, picture_pairs

CROP_PX = 48
CROPS = 96
"""Number of crops. With fewer, images with harder edges leave the ranges."""
HELD_OUT = 24


@dataclass(frozen=True)
class Calibration:
    """Samples of the images that a network will see."""

    scale: int
    crops: list[Batch]
    """LR, (1, 3, h, w) in [0, 1], h and w up to 48."""
    held_out: list[Pair]
    """Other pictures, whole."""
    held_out_of: str
    """Where the held-out images come from, in words."""


def read_calibration(folder: Path, validation: Path | None, scale: int) -> Calibration:
    """
    Args:
        folder: HR pictures. The middle of up to 96, spread over the folder, becomes crops.
        validation: a benchmark folder as `training.evaluate` takes it. None takes up to 24 of the pictures in `folder`
            that training holds out (`training.data.folder`), and these are then not among the crops.
        scale: output side over input side.

    Raises:
        ImageError: a folder holds no picture, or none that is held out.
    """
    if validation is not None:
        pairs = list(picture_pairs(validation, scale))
        return Calibration(scale, _crops(folder, picture_names(folder), scale), pairs, str(validation))
    split = scan_folder(folder)
    if not split.validation or not split.train:
        raise ImageError(
            f"none of the {len(split.train) + len(split.validation)} pictures in {folder} is held out for validation; "
            "give --validation DIR, pictures that are not among them"
        )
    held_out = picture_pairs(folder, scale, names=_spread(split.validation, HELD_OUT))
    return Calibration(scale, _crops(folder, split.train, scale), list(held_out), f"{folder} that do not calibrate")


def _crops(folder: Path, names: Sequence[str], scale: int) -> list[Batch]:
    crops = []
    for pixels in read_pictures(folder, _spread(names, CROPS), least_px=scale):
        side = [min(CROP_PX * scale, length // scale * scale) for length in pixels.shape[:2]]
        top, left = ((length - part) // 2 for length, part in zip(pixels.shape[:2], side, strict=True))
        lr = downscale(pixels[top : top + side[0], left : left + side[1]], scale)
        crops.append(np.ascontiguousarray(lr.transpose(2, 0, 1)[None], np.float32) / np.float32(255))
    if not crops:
        raise ImageError(f"expected pictures of at least {scale}x{scale} px to calibrate with, found none in {folder}")
    return crops


def _spread(names: Sequence[str], most: int) -> list[str]:
    """At most `most` of the names, evenly spaced."""
    count = min(len(names), most)
    return [names[index * len(names) // count] for index in range(count)]
