"""Choose a model for `model="auto"`: the scale by the size that is wanted, then the clean network or the photo one.

The photo network is for degraded images. The header of a JPEG or WebP file says that a lossy encoder wrote it. For all
others a sample of the luma decides: a PNG is often a saved JPEG, and noise or aliasing change the spectrum.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sr_infer.degradation_signs import grid_strength, sample_luma, spectrum
from sr_infer.image_io.codec import Codec

AUTO = "auto"
"""Name that stands for the model which `choose_model` returns."""
CLEAN_MODELS = {2: "srpn-lite-x2-int8", 3: "srpn-lite-x3-int8", 4: "srpn-lite-x4-int8"}
"""Scale -> model for clean images."""
PHOTO_MODELS = {2: "srpn-lite-x2-photo-int8", 4: "srpn-lite-x4-photo-int8"}
"""Scale -> model for degraded images, with the architecture and cost of the clean one."""

_LIGHT_JPEG_QUALITY = 97
"""From this quality on a JPEG is judged by its pixels, as a PNG is."""
MIN_GRID = 0.1
"""Strength from which on a grid is taken for that of a JPEG."""
_SPECTRUM_WEIGHTS = np.array([-0.92, 1.99, 0.45, -2.0, -0.61, -5.68, 7.19, 0.45, -0.3, 0.25, -0.91, 1.57, -1.97, 1.01])
_SPECTRUM_BIAS = 2.58
"""Logistic regression on `spectrum`, above 0 where the photo network is better; by `benchmarks.auto_choice --fit`."""


def choose_scale(factor: float) -> int:
    """The smallest scale that reaches a factor, output side over input side; the largest scale if none does."""
    return min((scale for scale in CLEAN_MODELS if scale >= factor), default=max(CLEAN_MODELS))


def choose_model(pixels: NDArray[Any], codec: Codec, scale: int) -> tuple[str, str]:
    """Name of the model for an image, and the reason for it.

    Args:
        pixels: (H, W, C), C 1 to 4: grey, grey and alpha, RGB, RGBA; uint8, uint16, or float32 in [0, 1].
        codec: what the file's header says of its encoder.
        scale: a key of `CLEAN_MODELS`.
    """
    if scale not in PHOTO_MODELS:
        return CLEAN_MODELS[scale], f"there is no photo model of scale {scale}"
    sign = _sign_of_degradation(pixels, codec)
    return (CLEAN_MODELS[scale], "no sign of degradation") if sign is None else (PHOTO_MODELS[scale], sign)


def _sign_of_degradation(pixels: NDArray[Any], codec: Codec) -> str | None:
    if codec.jpeg_quality is not None and codec.jpeg_quality < _LIGHT_JPEG_QUALITY:
        return f"JPEG of quality {codec.jpeg_quality}"
    if codec.is_lossy_webp:
        return "lossy WebP"
    luma = sample_luma(pixels)
    if luma is None or luma.min() == luma.max():
        return None
    if grid_strength(luma) > MIN_GRID:
        return "the pixels show the grid of a JPEG"
    if spectrum(luma) @ _SPECTRUM_WEIGHTS + _SPECTRUM_BIAS > 0:
        return "the spectrum is that of a noisy, aliased or sharpened image"
    return None
