"""Whether a picture wants the clean network of a scale or the photo one, by its codec and a sample of its luma."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile

from sr_infer.choice_weights import WEIGHTS, Weights

BLOCK_PX = 32
"""Side of each of the blocks that are looked at; they begin at multiples of 8 px, as those of a JPEG do."""
BLOCKS_A_SIDE = 4
"""So many blocks across and down, evenly over the picture."""
LIGHT_JPEG = 97
"""From this quality on a JPEG file is judged by its pixels, as if it were a PNG."""
QUARTERS = 4
TRACES = 1 + 3 * QUARTERS
LEAST_SIDE_PX = 16
"""Of a picture that shows anything."""
GRID_FULL = 0.15
GRID_SEEN = 0.6
"""Share of GRID_FULL from which on a reason speaks of a grid."""
_HIGH = (4, 5, 6, 7)
"""Frequencies of an 8x8 DCT that a JPEG encoder mostly makes zero."""
_NEAR_ZERO = 0.7
"""Levels up to which a DCT coefficient counts as zero; rounding to 8 bits moves it by 0.3 on average."""
_STANDARD_LUMA_SUM = 3688
"""Of the 64 entries of the luma table in ITU-T T.81, table K.1, which is that of libjpeg's quality 50."""


Traces = NDArray[np.float32]
"""(13,): how much more often high frequencies vanish on one 8x8 grid than on the others (0 without a JPEG, 1 from 0.15
on), then for each quarter of the blocks, from flat to busy: log of their squared first differences, of second over
first differences (white noise and aliasing raise it, blur lowers it), and of diagonal over second differences (white
noise raises it)."""


@dataclass(frozen=True)
class Choice:
    """Which kind of network, and why."""

    photo: bool
    reason: str


def choose(pixels: NDArray[np.uint8], *, jpeg_quality: int | None = None, lossy_webp: bool = False) -> Choice:
    """The network that is likely to give the higher PSNR.

    Args:
        pixels: (H, W) or (H, W, 3) uint8.
        jpeg_quality: of the file they came from, as `read_codec` gives it.
        lossy_webp: whether they came from a lossy WebP.
    """
    if jpeg_quality is not None and jpeg_quality < LIGHT_JPEG:
        return Choice(True, f"JPEG of quality {jpeg_quality}")
    if lossy_webp:
        return Choice(True, "lossy WebP")
    traces = find_traces(pixels)
    likelihood = photo_likelihood(traces)
    grid = "on a JPEG grid" if traces[0] > GRID_SEEN else "on no JPEG grid"
    return Choice(likelihood >= 0.5, f"degraded with a likelihood of {likelihood:.0%}, {grid}")


def read_codec(image: Image.Image) -> tuple[int | None, bool]:
    """Quality of a JPEG (1..100, as libjpeg counts it) or None, and whether this is a lossy WebP; nothing is decoded.

    Args:
        image: as `PIL.Image.open` gives it.
    """
    tables: dict[int, list[int]] = getattr(image, "quantization", {}) if image.format == "JPEG" else {}
    if tables:
        return _quality(sum(tables[min(tables)])), False
    if image.format == "WEBP" and isinstance(image, ImageFile.ImageFile) and image.fp is not None:
        position = image.fp.tell()
        image.fp.seek(0)
        head = image.fp.read(4096)
        image.fp.seek(position)
        return None, b"VP8 " in head
    return None, False


def find_traces(pixels: NDArray[np.uint8]) -> Traces:
    """What a picture shows of its past, by a sample of its luma.

    Args:
        pixels: (H, W) or (H, W, 3) uint8.
    """
    blocks = _sample(pixels)
    if blocks.shape[1] < LEAST_SIDE_PX:
        return np.zeros(TRACES, np.float32)
    first, second, diagonal = _squared_differences(blocks)
    traces = [min(_grid(blocks), GRID_FULL) / GRID_FULL]
    for quarter in np.array_split(np.argsort(first), QUARTERS):
        if len(quarter) == 0:
            return np.zeros(TRACES, np.float32)
        a, b, c = (differences[quarter].mean() for differences in (first, second, diagonal))
        traces += [np.log(a + 1), np.log((b + 0.5) / (a + 0.5)), np.log((c + 1) / (b + 0.5))]
    return np.array(traces, np.float32)


def photo_likelihood(traces: Traces, weights: Weights = WEIGHTS) -> float:
    """0..1, by a network of one hidden layer; `python -m benchmarks.tune_choice` finds its weights."""
    into, into_bias, out, out_bias = weights
    hidden = np.tanh(np.array(into) @ traces + np.array(into_bias))
    return float(1 / (1 + np.exp(-(np.array(out) @ hidden + out_bias))))


def _sample(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Luma of the blocks, (N, side, side)."""
    h, w = pixels.shape[:2]
    side = min(BLOCK_PX, h, w)
    tops, lefts = (np.unique(np.linspace(0, length - side, BLOCKS_A_SIDE).astype(int) // 8 * 8) for length in (h, w))
    blocks = np.stack([pixels[top : top + side, left : left + side] for top in tops for left in lefts])
    if blocks.ndim == 3:
        return blocks.astype(np.float32)
    return blocks.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)


def _squared_differences(blocks: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
    """Means over each block, (N,): first differences over 2 px and second ones, both axes added; second of second."""
    first, second = np.zeros(len(blocks), np.float32), np.zeros(len(blocks), np.float32)
    for moved in (blocks, blocks.swapaxes(1, 2)):
        first += ((moved[:, 2:] - moved[:, :-2]) ** 2).mean((1, 2))
        second += (_second(moved) ** 2).mean((1, 2))
    return first, second, (_second(_second(blocks).swapaxes(1, 2)) ** 2).mean((1, 2))


def _second(blocks: NDArray[np.float32]) -> NDArray[np.float32]:
    return blocks[:, :-2] - 2 * blocks[:, 1:-1] + blocks[:, 2:]


def _grid(blocks: NDArray[np.float32]) -> float:
    k, n = np.array(_HIGH)[:, None], np.arange(8)
    basis = (np.cos((2 * n + 1) * k * np.pi / 16) / 2).astype(np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(blocks, 8, axis=1) @ basis.T
    coefficients = np.lib.stride_tricks.sliding_window_view(windows, 8, axis=2) @ basis.T
    zero = (np.abs(coefficients) < _NEAR_ZERO).mean((0, 3, 4))
    size = zero.shape[0] // 8 * 8
    phases = zero[:size, :size].reshape(size // 8, 8, size // 8, 8).mean((0, 2)).ravel()
    return float(phases.max() - np.median(phases))


def _quality(luma_sum: int) -> int:
    """Inverse of libjpeg's `jpeg_quality_scaling`."""
    percent = 100 * luma_sum / _STANDARD_LUMA_SUM
    return round(min(100, max(1, 5000 / percent if percent > 100 else (200 - percent) / 2)))
