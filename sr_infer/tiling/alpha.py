"""Colour under transparency: a network must not see the hidden colour of fully transparent pixels."""

import numpy as np
from numpy.typing import NDArray

from sr_infer.image_io.pillow_modes import Pixels

BLEED_PX = 8
"""Distance in px over which colour is spread into transparent regions."""


def bleed_colour(colour: Pixels, alpha: Pixels) -> Pixels:
    """Spread colour into fully transparent regions, so that hidden colour does not show as a fringe at the edge.

    In each of `BLEED_PX` rounds, transparent pixels beside coloured ones get the mean of their coloured neighbours.

    Args:
        colour: (H, W, C).
        alpha: (H, W) of the same dtype.

    Returns:
        (H, W, C); `colour` itself if no pixel or every pixel is fully transparent.
    """
    known = alpha > 0
    if known.all() or not known.any():
        return colour
    values = np.where(known[..., None], colour, 0).astype(np.float32)
    weight = known.astype(np.float32)[..., None]
    for _ in range(BLEED_PX):
        near = _sum_3x3(weight)
        new = (weight == 0) & (near > 0)
        if not new.any():
            break
        values = np.where(new, _sum_3x3(values) / np.maximum(near, 1), values)
        weight = np.where(new, np.float32(1), weight)
    if colour.dtype.kind != "f":
        values = np.rint(values)
    return np.where(weight > 0, values.astype(colour.dtype), colour)


def _sum_3x3(plane: NDArray[np.float32]) -> NDArray[np.float32]:
    """Sum over each pixel's neighbourhood in (H, W, C), zeros outside."""
    for axis in (0, 1):
        margin = [(0, 0)] * 3
        margin[axis] = (1, 1)
        wide = np.pad(plane, margin)
        length = plane.shape[axis]
        plane = np.sum([wide.take(range(i, i + length), axis) for i in range(3)], axis=0)
    return plane
