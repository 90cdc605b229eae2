"""Pooled statistics that all tiles of an image share.

Networks with channel attention average over their whole input, so in a tile they would compute other means than in the
whole image. If the file allows it (`Session.takes_pooled_statistics`), the means are computed once, from small patches
spread over the image, and given to all tiles. The network is then purely convolutional and tiles agree with each other.
"""

import math

import numpy as np

from sr_infer.engine.session import Batch, Session
from sr_infer.model_card import ModelCard
from sr_infer.tiling.geometry import Grid, Span
from sr_infer.tiling.ordered_map import ordered_map
from sr_infer.tiling.self_ensemble import orient
from sr_infer.tiling.windows import Source, Window, windows

_SAMPLE_SHARE = 0.1
"""Share of the image's pixels that is used for pooled statistics."""
_MIN_PATCH_PX, _MAX_PATCH_PX = 64, 128
"""Side of a patch. Patches are as large as the windows, within these limits: their borders are padded with zeros, which
pulls the means away from those of the image.

Measured with DRN-S50 x4 on 384x384 px of scikit-image's astronaut and coffee, in dB between the results with pooled
statistics of patches and of the whole image: 9 patches of 64 px 53.9 and 56.0, of 96 px 59.1 and 58.4, of 128 px 63.0
and 60.5.
"""
_MIN_PATCHES, _MAX_PATCHES = 3, 16
"""Number of patches along a side of the image, unless fewer cover it."""


def pooled_statistics(
    network: Session, source: Source, grid: Grid, *, orientations: int, workers: int
) -> list[Batch | None]:
    """Compute the pooled statistics that all windows of an image use.

    Args:
        network: the network.
        source: the LR image.
        grid: its windows.
        orientations: number of flips and rotations that are run, 1 or 8.
        workers: patches that are run at once.

    Returns:
        For each orientation (1, C_total, 1, 1) float32; None if each window computes its own.

    Raises:
        ModelError: the network cannot be run.
    """
    if len(grid) == 1 or not network.takes_pooled_statistics:
        return [None] * orientations

    def of_patch(patch: Window) -> list[Batch]:
        planes = patch.network_planes(patch.colour, network.card)
        return [network.pooled_statistics(orient(planes, index)[None]) for index in range(orientations)]

    patch_grid = patches(source.layout.size_hw, grid.window_hw, network.card)
    by_patch = list(ordered_map(of_patch, windows(source, patch_grid), workers))
    return [np.stack(of_orientation).mean(axis=0) for of_orientation in zip(*by_patch, strict=True)]


def patches(size_hw: tuple[int, int], window_hw: tuple[int, int], card: ModelCard) -> Grid:
    """Spread patches evenly over an image: over a tenth of its pixels, less of very large and more of small images.

    Args:
        size_hw: height and width of the image in px.
        window_hw: height and width of its windows in px. Patches are no larger, unless windows are below 96 px.
        card: model card of the network.
    """
    rows, columns = (_patches_along(*lengths, card) for lengths in zip(size_hw, window_hw, strict=True))
    return Grid(rows, columns)


def _patches_along(length_px: int, window_px: int, card: ModelCard) -> tuple[Span, ...]:
    """Patches along one side: spread with gaps, or if they would overlap, a partition that counts each pixel once."""
    sizes = card.size_requirements
    max_side = max(window_px, _MIN_PATCH_PX * 3 // 2)
    side = max(min(window_px, _MAX_PATCH_PX) if window_px == max_side else _MIN_PATCH_PX, sizes.min_size_px)
    count = min(max(round(length_px * math.sqrt(_SAMPLE_SHARE) / side), _MIN_PATCHES), _MAX_PATCHES)
    covering = max(round(length_px / side), math.ceil(length_px / max_side))
    if covering <= count:
        count, side = covering, -(-length_px // covering)
    side = sizes.round_up(side)
    starts = [max(round((index + 0.5) * length_px / count - side / 2), 0) for index in range(count)]
    return tuple(Span(start, start + side, start, min(start + side, length_px)) for start in starts)
