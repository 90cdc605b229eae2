"""Between a picture's own pixels (uint8, uint16 or float32; grey or RGB) and the planes that a network takes.

Luma and chroma are MATLAB's `rgb2ycbcr` (ITU-R BT.601, luma 16..235 of 255), on which luma networks are trained. Grey
is handled as RGB with three equal planes.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[Any]
"""(H, W) or (H, W, C) of uint8, uint16, or float32 in [0, 1]."""
Planes = NDArray[np.float32]
"""(C, H, W) float32."""

BLEED_PX = 8
"""How far colour is carried into transparent regions."""

_YCBCR = np.array(
    [[65.481, 128.553, 24.966], [-37.797, -74.203, 112.0], [112.0, -93.786, -18.214]], np.float32
) / np.float32(255)
_YCBCR_OFFSET = np.array([16, 128, 128], np.float32).reshape(3, 1, 1) / np.float32(255)
_RGB = np.linalg.inv(_YCBCR.astype(np.float64)).astype(np.float32)
_GREY_GAIN = np.float32(219 / 255)
_GREY_OFFSET = np.float32(16 / 255)
_GREY_WEIGHTS = np.array([0.299, 0.587, 0.114], np.float32)


def peak(dtype: np.dtype[Any]) -> int:
    """The value that stands for white."""
    return 1 if dtype.kind == "f" else int(np.iinfo(dtype).max)


def to_network(colour: Pixels, *, luma_only: bool, value_range: float) -> Planes:
    """What the network takes of a picture's colour.

    Args:
        colour: (H, W, 1) or (H, W, 3).
        luma_only: the network takes one plane of luma, otherwise three of RGB.
        value_range: what stands for white in the network.

    Returns:
        (1, H, W) or (3, H, W) float32 in [0, value_range].
    """
    planes = colour.transpose(2, 0, 1).astype(np.float32, order="C")  # a copy, also of what is float32 already
    planes *= np.float32(1 / peak(colour.dtype))
    if luma_only:
        if len(planes) == 1:
            planes = planes * _GREY_GAIN + _GREY_OFFSET
        else:
            planes = np.tensordot(_YCBCR[:1], planes, axes=1) + _GREY_OFFSET
    elif len(planes) == 1:
        planes = np.repeat(planes, 3, axis=0)
    if value_range != 1:
        planes *= np.float32(value_range)
    return planes


def from_network(
    planes: Planes, chroma: Planes | None, *, channels: int, dtype: np.dtype[Any], value_range: float
) -> Pixels:
    """The picture that a network's output stands for.

    Args:
        planes: (1, h, w) or (3, h, w) in [0, value_range]; overwritten.
        chroma: (2, h, w) Cb and Cr in [0, 1], where a luma network has seen an RGB picture.
        channels: of the picture's colour, 1 or 3.
        dtype: of the picture.
        value_range: what stands for white in the network.

    Returns:
        (h, w, channels) of `dtype`.
    """
    if value_range != 1:
        planes *= np.float32(1 / value_range)
    if chroma is not None:
        ycbcr = np.concatenate([planes, chroma]) - _YCBCR_OFFSET
        planes = np.tensordot(_RGB, ycbcr, axes=1)
    elif len(planes) == 1:
        planes = (planes - _GREY_OFFSET) / _GREY_GAIN
    elif channels == 1:
        planes = np.tensordot(_GREY_WEIGHTS, planes, axes=1)[None]
    pixels = np.empty((*planes.shape[1:], len(planes)), dtype)
    for channel, plane in enumerate(planes):
        pixels[..., channel] = _quantised(plane, dtype)
    return pixels


def _quantised(values: NDArray[np.float32], dtype: np.dtype[Any]) -> Pixels:
    """Values in [0, 1], clipped and rounded to a pixel type; overwritten."""
    np.clip(values, 0, 1, out=values)
    if dtype.kind == "f":
        return values.astype(dtype, copy=False)
    values *= np.float32(peak(dtype))
    return np.rint(values, out=values).astype(dtype)


def chroma(colour: Pixels) -> NDArray[np.float32]:
    """Cb and Cr in [0, 1] of an RGB picture (H, W, 3): (H, W, 2) float32."""
    planes = to_network(colour, luma_only=False, value_range=1)
    both: Planes = np.tensordot(_YCBCR[1:], planes, axes=1) + _YCBCR_OFFSET[1:]
    return both.transpose(1, 2, 0)


def bled(colour: Pixels, alpha: Pixels) -> Pixels:
    """Colour carried outward into what is fully transparent, so that no fringe of hidden colour shows at the edge.

    Each of `BLEED_PX` rounds gives the transparent pixels beside coloured ones the mean of these.

    Args:
        colour: (H, W, C).
        alpha: (H, W) of the same dtype.

    Returns:
        (H, W, C); `colour` itself where nothing is transparent or nothing is not.
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
