"""Choose a model for `model="auto"`: the scale by the size that is wanted, then the clean network or the photo one.

The photo network is for images that a lossy encoder wrote. The header of a JPEG or WebP file says so. For all others a
sample of the luma is searched for the 8x8 grid of a JPEG, since a PNG is often a saved JPEG.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sr_infer.colour import GREY_WEIGHTS
from sr_infer.image_io.codec import Codec

AUTO = "auto"
"""Name that stands for the model which `choose_model` returns."""
CLEAN_MODELS = {2: "srpn-lite-x2-int8", 3: "srpn-lite-x3-int8", 4: "srpn-lite-x4-int8"}
"""Scale -> model for clean images."""
PHOTO_MODELS = {4: "srpn-lite-x4-photo-int8"}
"""Scale -> model for images that a lossy encoder wrote, with the architecture and cost of the clean one."""

_LIGHT_JPEG_QUALITY = 97
"""From this quality on a JPEG is judged by its pixels, as a PNG is."""
_BLOCK_PX = 32
"""Side of the blocks that are sampled; they begin at multiples of 8 px, as those of a JPEG do."""
_BLOCKS_PER_SIDE = 4
_MIN_SIDE_PX = 16
"""Smaller images show no grid."""
_MIN_GRID = 0.13
"""Strength from which on a grid is taken for that of a JPEG; see `grid_strength`."""
_HIGH_FREQUENCIES = (4, 5, 6, 7)
"""Frequencies of an 8x8 DCT that JPEG encoders mostly quantise to zero."""
_NEAR_ZERO_LEVELS = 0.7
"""DCT coefficients below this count as zero; rounding to 8 bits moves them by 0.3 on average."""
_WHITE = {"uint8": 255.0, "uint16": 65535.0, "float32": 1.0}


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
    if codec.jpeg_quality is not None and codec.jpeg_quality < _LIGHT_JPEG_QUALITY:
        return PHOTO_MODELS[scale], f"JPEG of quality {codec.jpeg_quality}"
    if codec.is_lossy_webp:
        return PHOTO_MODELS[scale], "lossy WebP"
    if grid_strength(pixels) > _MIN_GRID:
        return PHOTO_MODELS[scale], "the pixels show the grid of a JPEG"
    return CLEAN_MODELS[scale], "no sign of a lossy encoder"


def grid_strength(pixels: NDArray[Any]) -> float:
    """How much more often high DCT frequencies vanish on one 8x8 grid than on the others: 0 without a JPEG, up to 1.

    Args:
        pixels: as in `choose_model`.
    """
    blocks = _sample_luma(pixels)
    return _grid(blocks) if blocks.shape[1] >= _MIN_SIDE_PX else 0.0


def _sample_luma(pixels: NDArray[Any]) -> NDArray[np.float32]:
    """Luma of blocks that are spread evenly over an image, in 8-bit levels: (N, side, side)."""
    colour = pixels[..., : 1 if pixels.shape[2] < 3 else 3]
    h, w = colour.shape[:2]
    side = min(_BLOCK_PX, h, w)
    tops, lefts = (np.unique(np.linspace(0, length - side, _BLOCKS_PER_SIDE).astype(int) // 8 * 8) for length in (h, w))
    blocks = np.stack([colour[top : top + side, left : left + side] for top in tops for left in lefts])
    levels = blocks.astype(np.float32) * np.float32(255 / _WHITE[pixels.dtype.name])
    luma = levels[..., 0] if levels.shape[3] == 1 else levels @ GREY_WEIGHTS
    return np.asarray(luma, np.float32)


def _grid(blocks: NDArray[np.float32]) -> float:
    k, n = np.array(_HIGH_FREQUENCIES)[:, None], np.arange(8)
    basis = (np.cos((2 * n + 1) * k * np.pi / 16) / 2).astype(np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(blocks, 8, axis=1) @ basis.T
    coefficients = np.lib.stride_tricks.sliding_window_view(windows, 8, axis=2) @ basis.T
    zero = (np.abs(coefficients) < _NEAR_ZERO_LEVELS).mean((0, 3, 4))
    size = zero.shape[0] // 8 * 8
    phases = zero[:size, :size].reshape(size // 8, 8, size // 8, 8).mean((0, 2)).ravel()
    return float(phases.max() - np.median(phases))
