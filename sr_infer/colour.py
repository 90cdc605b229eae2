"""Convert an image's pixels (uint8, uint16 or float32; grey or RGB) to the planes that a network takes, and back.

Luma and chroma are those of MATLAB's `rgb2ycbcr` (ITU-R BT.601, luma 16..235 of 255), which luma networks are trained
on. Grey is treated as RGB with three equal planes.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[Any]
"""(H, W) or (H, W, C) of uint8, uint16, or float32 in [0, 1]."""
Planes = NDArray[np.float32]
"""(C, H, W) float32."""

_YCBCR = np.array(
    [[65.481, 128.553, 24.966], [-37.797, -74.203, 112.0], [112.0, -93.786, -18.214]], np.float32
) / np.float32(255)
_YCBCR_OFFSET = np.array([16, 128, 128], np.float32).reshape(3, 1, 1) / np.float32(255)
_RGB = np.linalg.inv(_YCBCR.astype(np.float64)).astype(np.float32)
_GREY_GAIN = np.float32(219 / 255)
_GREY_OFFSET = np.float32(16 / 255)
GREY_WEIGHTS = np.array([0.299, 0.587, 0.114], np.float32)


def peak(dtype: np.dtype[Any]) -> int:
    """Value of white in a pixel type."""
    return 1 if dtype.kind == "f" else int(np.iinfo(dtype).max)


def to_network(colour: Pixels, *, luma_only: bool, value_range: float) -> Planes:
    """Convert colour to the planes that a network takes.

    Args:
        colour: (H, W, 1) or (H, W, 3).
        luma_only: the network takes one plane of luma; otherwise three planes of RGB.
        value_range: value of white in the network.

    Returns:
        (1, H, W) or (3, H, W) float32 in [0, value_range].
    """
    planes = colour.transpose(2, 0, 1).astype(np.float32, order="C")  # always a copy
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
    """Convert the planes that a network returns to pixels.

    Args:
        planes: (1, h, w) or (3, h, w) in [0, value_range]; overwritten.
        chroma: (2, h, w) Cb and Cr in [0, 1], for an RGB image and a luma network; otherwise None.
        channels: channels of the image's colour, 1 or 3.
        dtype: type of the pixels.
        value_range: value of white in the network.

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
        planes = np.tensordot(GREY_WEIGHTS, planes, axes=1)[None]
    pixels = np.empty((*planes.shape[1:], len(planes)), dtype)
    for channel, plane in enumerate(planes):
        pixels[..., channel] = _quantise(plane, dtype)
    return pixels


def _quantise(values: NDArray[np.float32], dtype: np.dtype[Any]) -> Pixels:
    """Clip values to [0, 1] and round them to a pixel type; the values are overwritten."""
    np.clip(values, 0, 1, out=values)
    if dtype.kind == "f":
        return values.astype(dtype, copy=False)
    values *= np.float32(peak(dtype))
    return np.rint(values, out=values).astype(dtype)


def chroma(colour: Pixels) -> NDArray[np.float32]:
    """Compute Cb and Cr in [0, 1] of RGB pixels (H, W, 3): (H, W, 2) float32."""
    planes = to_network(colour, luma_only=False, value_range=1)
    both: Planes = np.tensordot(_YCBCR[1:], planes, axes=1) + _YCBCR_OFFSET[1:]
    return both.transpose(1, 2, 0)
