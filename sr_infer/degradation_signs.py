"""Signs of degradation in the pixels of an image: the 8x8 grid of a JPEG, and the spectrum of the luma.

Both look at a sample of the luma only, so they cost the same for every size.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sr_infer.colour import GREY_WEIGHTS

_BLOCK_PX = 32
"""Side of the blocks that are sampled; they begin at multiples of 8 px, as those of a JPEG do."""
_BLOCKS_PER_SIDE = 4
_DCT_PX = 8
_MIN_SIDE_PX = 2 * _DCT_PX
"""Smaller images show no signs."""
_HIGH_FREQUENCIES = slice(4, 8)
"""Frequencies of an 8x8 DCT that JPEG encoders mostly quantise to zero."""
_NEAR_ZERO_LEVELS = 0.7
"""DCT coefficients below this count as zero; rounding to 8 bits moves them by 0.3 on average."""
_FLOOR = 0.05
"""Added to squared DCT coefficients before the logarithm, about the error of rounding to 8 bits."""
_WHITE = {"uint8": 255.0, "uint16": 65535.0, "float32": 1.0}

_positions = np.arange(_DCT_PX)
_DCT = np.cos((2 * _positions + 1) * _positions[:, None] * np.pi / (2 * _DCT_PX)) / 2
_DCT[0] /= np.sqrt(2)
_DCT = _DCT.astype(np.float32)
"""Orthonormal DCT of 8 samples, one frequency a row."""


def sample_luma(pixels: NDArray[Any]) -> NDArray[np.float32] | None:
    """Luma of blocks that are spread evenly over an image, in 8-bit levels: (N, side, side). None for tiny images.

    Args:
        pixels: (H, W, C), C 1 to 4: grey, grey and alpha, RGB, RGBA; uint8, uint16, or float32 in [0, 1].
    """
    colour = pixels[..., : 1 if pixels.shape[2] < 3 else 3]
    h, w = colour.shape[:2]
    side = min(_BLOCK_PX, h, w)
    if side < _MIN_SIDE_PX:
        return None
    tops, lefts = (
        np.unique(np.linspace(0, length - side, _BLOCKS_PER_SIDE).astype(int) // _DCT_PX * _DCT_PX) for length in (h, w)
    )
    blocks = np.stack([colour[top : top + side, left : left + side] for top in tops for left in lefts])
    levels = blocks.astype(np.float32) * np.float32(255 / _WHITE[pixels.dtype.name])
    luma = levels[..., 0] if levels.shape[3] == 1 else levels @ GREY_WEIGHTS
    return np.asarray(luma, np.float32)


def grid_strength(luma: NDArray[np.float32]) -> float:
    """How much more often high DCT frequencies vanish on one 8x8 grid than on the others: 0 without a JPEG, up to 1.

    Args:
        luma: what `sample_luma` returns.
    """
    high = _DCT[_HIGH_FREQUENCIES].T
    windows = np.lib.stride_tricks.sliding_window_view(luma, _DCT_PX, axis=1) @ high
    coefficients = np.lib.stride_tricks.sliding_window_view(windows, _DCT_PX, axis=2) @ high
    is_zero = (np.abs(coefficients) < _NEAR_ZERO_LEVELS).mean((0, 3, 4))
    size = is_zero.shape[0] // _DCT_PX * _DCT_PX
    phases = is_zero[:size, :size].reshape(size // _DCT_PX, _DCT_PX, size // _DCT_PX, _DCT_PX).mean((0, 2)).ravel()
    return float(phases.max() - np.median(phases))


def spectrum(luma: NDArray[np.float32]) -> NDArray[np.float64]:
    """Log power of the luma in 7 bands, (14,): the mean over all 8x8 blocks, then over the quietest quarter of them.

    Bands are the larger of the two frequencies of an 8x8 DCT, 1 to 7. Noise shows in the quiet blocks. Aliasing,
    averaging and sharpening change the slope from low to high bands.

    Args:
        luma: what `sample_luma` returns.
    """
    side = luma.shape[1] // _DCT_PX * _DCT_PX
    count = side // _DCT_PX
    blocks = luma[:, :side, :side].reshape(-1, count, _DCT_PX, count, _DCT_PX).swapaxes(2, 3)
    power = (_DCT @ blocks.reshape(-1, _DCT_PX, _DCT_PX) @ _DCT.T) ** 2
    bands = np.stack(
        [(power[:, k, : k + 1].sum(1) + power[:, :k, k].sum(1)) / (2 * k + 1) for k in range(1, _DCT_PX)],
        axis=1,
        dtype=np.float64,
    )
    quietest = np.argsort(bands.sum(1), kind="stable")[: max(1, len(bands) // 4)]
    return np.concatenate([np.log(bands + _FLOOR).mean(0), np.log(bands[quietest].mean(0) + _FLOOR)])
