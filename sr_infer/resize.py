"""MATLAB-compatible bicubic resizing, which super-resolution papers use to make their LR images.

Pillow and torch use other kernels or borders; for a network that is trained on MATLAB's images, theirs are a different
degradation.
"""

from collections.abc import Iterator
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from sr_infer.errors import OptionError

_T = TypeVar("_T", bound=np.generic)

_STRIP_PX, _BAND_STRIP_PX = 64, 16
"""Rows or columns that are resized at once. This bounds the float64 sums, which are eight times as large as uint8."""


def imresize(image: NDArray[_T], size_hw: tuple[int, int]) -> NDArray[_T]:
    """Resize like MATLAB's `imresize(image, [h w], 'bicubic')`: a = -0.5, antialiased when shrinking, mirrored borders.

    Args:
        image: (H, W) or (H, W, C) of uint8, uint16 or a float type.
        size_hw: height and width of the result in pixels.

    Returns:
        (h, w) or (h, w, C) of the same dtype. Integers are rounded and clipped after each of the two passes, as MATLAB
        does; floats are neither.

    Raises:
        OptionError: the array is not an image, or a side of it or of `size_hw` is smaller than 1.
    """
    if image.ndim not in (2, 3) or min(*image.shape[:2], *size_hw) < 1:
        raise OptionError(f"expected (H, W) or (H, W, C) and a size of at least 1x1, got {image.shape} to {size_hw}")
    for axis in (0, 1) if _rows_first(image.shape[:2], size_hw) else (1, 0):
        image = _resize_axis(image, size_hw[axis], axis)
    return image


def imresize_bands(
    bands: Iterator[NDArray[_T]], in_hw: tuple[int, int], out_hw: tuple[int, int]
) -> Iterator[NDArray[_T]]:
    """Resize an image that is read and returned in bands of rows, from top to bottom, like `imresize`.

    Args:
        bands: the image, each band (rows, W, C) with any number of rows.
        in_hw: height and width of the whole image in px.
        out_hw: height and width of the whole result in px.

    Yields:
        The result, each (rows, w, C).
    """
    rows_first = _rows_first(in_hw, out_hw)
    weights, taps = _contributions(in_hw[0], out_hw[0])
    waiting, top = next(bands), 0
    if not rows_first:
        waiting = _resize_axis(waiting, out_hw[1], 1)
    for first in range(0, out_hw[0], _BAND_STRIP_PX):
        strip = slice(first, first + _BAND_STRIP_PX)
        while top + len(waiting) <= taps[:, strip].max():
            band = next(bands)
            waiting = np.concatenate([waiting, band if rows_first else _resize_axis(band, out_hw[1], 1)])
        result = _sum_taps(waiting, weights[:, strip], taps[:, strip] - top, 0)
        yield _resize_axis(result, out_hw[1], 1) if rows_first else result
        done = min(taps[:, strip.stop :].min(initial=in_hw[0]) - top, len(waiting))
        waiting, top = waiting[done:], top + done


def band_working_bytes(
    in_hw: tuple[int, int], out_hw: tuple[int, int], channels: int, sample_bytes: int, band_px: int
) -> int:
    """Memory that `imresize_bands` takes beside the input band of `band_px` rows."""
    width = in_hw[1] if _rows_first(in_hw, out_hw) else out_hw[1]
    strip_rows = (_BAND_STRIP_PX + 4) * max(in_hw[0] / out_hw[0], 1)
    waiting = 2 * sample_bytes * width * (band_px + strip_rows)
    sums = 3 * 8 * max(_BAND_STRIP_PX * max(width, out_hw[1]), band_px * _STRIP_PX)
    return int(channels * (waiting + sums))


def downscale(image: NDArray[_T], scale: int) -> NDArray[_T]:
    """Make an LR image from an HR image (H, W[, C]): crop to a multiple of `scale`, keep the top left, resize."""
    h, w = image.shape[0] // scale, image.shape[1] // scale
    return imresize(image[: h * scale, : w * scale], (h, w))


def _resize_axis(image: NDArray[_T], size: int, axis: int) -> NDArray[_T]:
    if image.shape[axis] == size:
        return image
    weights, taps = _contributions(image.shape[axis], size)
    result = np.empty((*image.shape[:axis], size, *image.shape[axis + 1 :]), image.dtype)
    for first in range(0, size, _STRIP_PX):
        strip = slice(first, first + _STRIP_PX)
        result[(slice(None),) * axis + (strip,)] = _sum_taps(image, weights[:, strip], taps[:, strip], axis)
    return result


def _sum_taps(image: NDArray[_T], weights: NDArray[np.float64], taps: NDArray[np.intp], axis: int) -> NDArray[_T]:
    """Weighted sums of the rows or columns at `taps`; weights and taps are (taps, out_size)."""
    shape = [1] * image.ndim
    shape[axis] = taps.shape[1]
    total = np.zeros((*image.shape[:axis], taps.shape[1], *image.shape[axis + 1 :]))
    for weight, tap in zip(weights, taps, strict=True):
        total += image.take(tap, axis) * weight.reshape(shape)
    if np.issubdtype(image.dtype, np.integer):
        total = np.clip(np.floor(total + 0.5), 0, np.iinfo(image.dtype.str).max)
    return total.astype(image.dtype)


def _rows_first(in_hw: tuple[int, ...], out_hw: tuple[int, int]) -> bool:
    """MATLAB first resizes the axis that shrinks the image more."""
    return out_hw[0] * in_hw[1] <= out_hw[1] * in_hw[0]


def _contributions(in_size: int, out_size: int) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Weights and source indices, both (taps, out_size), of one axis."""
    scale = out_size / in_size
    stretch = max(1.0, 1.0 / scale)
    centre = (np.arange(out_size) + 0.5) / scale - 0.5
    first = np.floor(centre - 2 * stretch) + 1
    taps = first + np.arange(int(np.ceil(4 * stretch)) + 1)[:, None]
    weights = _cubic((centre - taps) / stretch)
    weights /= weights.sum(axis=0)
    mirrored = np.mod(taps.astype(np.intp), 2 * in_size)
    indices = np.where(mirrored < in_size, mirrored, 2 * in_size - 1 - mirrored)
    used = weights.any(axis=1)
    return weights[used], indices[used]


def _cubic(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Keys' cubic convolution kernel (1981) with a = -0.5."""
    x = np.abs(x)
    return np.where(x <= 1, (1.5 * x - 2.5) * x**2 + 1, np.where(x < 2, ((-0.5 * x + 2.5) * x - 4) * x + 2, 0.0))
