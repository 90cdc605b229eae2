"""MATLAB-compatible bicubic resizing, with which super-resolution papers make their low-resolution pictures.

Pillow and torch use other kernels or borders: to a network trained on MATLAB's pictures, theirs are another
degradation.
"""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from sr_infer.errors import OptionError

_T = TypeVar("_T", bound=np.generic)

_STRIP_PX = 64
"""Rows or columns resized at once: bounds the float64 sums, which are eight times the size of a uint8 picture."""


def imresize(image: NDArray[_T], size_hw: tuple[int, int]) -> NDArray[_T]:
    """Resize as MATLAB's `imresize(image, [h w], 'bicubic')`: a = -0.5, antialiased when shrinking, mirrored borders.

    Args:
        image: (H, W) or (H, W, C) of uint8, uint16 or a float type.
        size_hw: height and width of the result in pixels.

    Returns:
        (h, w) or (h, w, C) of the same dtype. Integers are rounded and clipped after each of the two passes, as MATLAB
        does; floats are neither.

    Raises:
        OptionError: the array is not a picture, or one of its sides or of `size_hw` is smaller than 1.
    """
    if image.ndim not in (2, 3) or min(*image.shape[:2], *size_hw) < 1:
        raise OptionError(f"expected (H, W) or (H, W, C) and a size of at least 1x1, got {image.shape} to {size_hw}")
    rows_first = size_hw[0] * image.shape[1] <= size_hw[1] * image.shape[0]
    for axis in (0, 1) if rows_first else (1, 0):
        image = _resize_axis(image, size_hw[axis], axis)
    return image


def working_bytes(in_hw: tuple[int, int], out_hw: tuple[int, int], channels: int, sample_bytes: int) -> int:
    """Memory that `imresize` takes beside the picture it is given: both results, and the float64 sums of a strip."""
    between_px = min(out_hw[0] * in_hw[1], in_hw[0] * out_hw[1])
    strip_px = _STRIP_PX * max(*in_hw, *out_hw)
    return channels * (sample_bytes * (between_px + out_hw[0] * out_hw[1]) + 3 * 8 * strip_px)


def downscale(image: NDArray[_T], scale: int) -> NDArray[_T]:
    """The LR picture of an HR one: (H, W[, C]) cropped at the top left to a multiple of `scale`, bicubic by 1/scale."""
    h, w = image.shape[0] // scale, image.shape[1] // scale
    return imresize(image[: h * scale, : w * scale], (h, w))


def _resize_axis(image: NDArray[_T], size: int, axis: int) -> NDArray[_T]:
    if image.shape[axis] == size:
        return image
    weights, taps = _contributions(image.shape[axis], size)
    result = np.empty((*image.shape[:axis], size, *image.shape[axis + 1 :]), image.dtype)
    for first in range(0, size, _STRIP_PX):
        strip = slice(first, min(first + _STRIP_PX, size))
        shape = [1] * image.ndim
        shape[axis] = strip.stop - first
        total = np.zeros((*image.shape[:axis], strip.stop - first, *image.shape[axis + 1 :]))
        for weight, tap in zip(weights[:, strip], taps[:, strip], strict=True):
            total += image.take(tap, axis) * weight.reshape(shape)
        if np.issubdtype(image.dtype, np.integer):
            total = np.clip(np.floor(total + 0.5), 0, np.iinfo(image.dtype.str).max)
        result[(slice(None),) * axis + (strip,)] = total
    return result


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
