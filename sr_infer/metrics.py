"""PSNR and SSIM as super-resolution papers report them: on MATLAB's luma, without a border of `scale` pixels."""

import numpy as np
from numpy.typing import NDArray

from sr_infer.errors import ImageError, OptionError

Pixels = NDArray[np.uint8]


def luma(image: Pixels) -> NDArray[np.float64]:
    """ITU-R BT.601 luma as in MATLAB's `rgb2ycbcr`, 16..235, not rounded.

    Args:
        image: (H, W, 3) uint8 RGB; or (H, W) uint8 grey, whose values are returned unchanged.

    Returns:
        (H, W) float64.

    Raises:
        ImageError: another dtype or shape.
    """
    if image.dtype != np.uint8 or not (image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 3)):
        raise ImageError(f"expected (H, W) or (H, W, 3) of uint8, got {image.shape} of {image.dtype}")
    if image.ndim == 2:
        return image.astype(np.float64)
    return 16.0 + image @ (np.array([65.481, 128.553, 24.966]) / 255.0)


def psnr_y(a: Pixels, b: Pixels, *, border: int) -> float:
    """Peak signal-to-noise ratio of the luma in dB, peak 255; infinite for equal images.

    Args:
        a, b: two images of the same shape, (H, W, 3) or (H, W) uint8.
        border: px to leave out on each side; papers use the scale.

    Raises:
        ImageError: wrong dtype or shape, or shapes that differ.
        OptionError: the border leaves no pixel.
    """
    y_a, y_b = _cropped_luma(a, b, border, least=1)
    mse = float(np.mean((y_a - y_b) ** 2))
    return float("inf") if mse == 0 else 10.0 * float(np.log10(255.0**2 / mse))


def ssim_y(a: Pixels, b: Pixels, *, border: int) -> float:
    """Structural similarity of the luma (Wang et al., IEEE TIP 2004): Gaussian window 11x11, sigma 1.5, valid region.

    Args:
        a, b: two images of the same shape, (H, W, 3) or (H, W) uint8.
        border: px to leave out on each side; papers use the scale.

    Raises:
        ImageError: wrong dtype or shape, or shapes that differ.
        OptionError: the border leaves less than one window of 11x11.
    """
    y_a, y_b = _cropped_luma(a, b, border, least=11)
    mean_a, mean_b = _gaussian(y_a), _gaussian(y_b)
    var_a = _gaussian(y_a * y_a) - mean_a**2
    var_b = _gaussian(y_b * y_b) - mean_b**2
    covariance = _gaussian(y_a * y_b) - mean_a * mean_b
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    similarity = (2 * mean_a * mean_b + c1) * (2 * covariance + c2)
    return float(np.mean(similarity / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))))


def _cropped_luma(a: Pixels, b: Pixels, border: int, *, least: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    if a.shape != b.shape:
        raise ImageError(f"expected two pictures of one shape, got {a.shape} and {b.shape}")
    if border < 0 or min(a.shape[:2]) - 2 * border < least:
        raise OptionError(f"a border of {border} px leaves less than {least}x{least} of a picture of {a.shape[:2]}")
    inner = slice(border, -border or None)
    return luma(a)[inner, inner], luma(b)[inner, inner]


def _gaussian(plane: NDArray[np.float64]) -> NDArray[np.float64]:
    window = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    window /= window.sum()
    rows = np.lib.stride_tricks.sliding_window_view(plane, 11, axis=0) @ window
    return np.lib.stride_tricks.sliding_window_view(rows, 11, axis=1) @ window
