"""Channel averages that all windows of a picture share.

Networks with channel attention average over their whole input, so a window would see other averages than the picture
does. Where the file offers it (`Session.takes_averages`), they are taken once from small patches spread over the
picture and fed to all windows, after which the network is purely convolutional and windows agree with each other.
"""

import math

import numpy as np

from sr_infer.ensemble import turned
from sr_infer.in_order import in_order
from sr_infer.model_card import ModelCard
from sr_infer.session import Batch, Session
from sr_infer.tiling import Grid, Span
from sr_infer.windows import Source, Window, windows

_SAMPLE_SHARE = 0.1
"""Of the pixels, that averages are taken from."""
_PATCH_PX = 64
"""The borders of a patch, padded with zeros, pull the averages away from the picture's, more so in smaller patches.

Measured with DRN-S50 x4 on scikit-image's coffee (384x384 px) and chelsea (288x384 px) in tiles of 96 px, dB between
the results with such averages and with the whole picture's: 16 patches of 32 px 58.0 and 63.6, of 48 px 59.5 and 65.6,
of 64 px 61.0 and 67.7, 9 of 64 px 60.6 and 66.9.
"""
_LEAST_PATCHES, _MOST_PATCHES = 3, 16
"""Along a side of the picture, unless fewer cover it."""


def shared_averages(network: Session, source: Source, grid: Grid, *, turns: int, workers: int) -> list[Batch | None]:
    """For each orientation, the averages that all windows are given; None where each takes its own."""
    if len(grid) == 1 or not network.takes_averages:
        return [None] * turns

    def averages(patch: Window) -> list[Batch]:
        planes = patch.network_planes(patch.colour, network.card)
        return [network.averages(turned(planes, turn)[None]) for turn in range(turns)]

    by_patch = list(in_order(averages, windows(source, patches(source.size_hw, network.card)), workers))
    return [np.stack(of_turn).mean(axis=0) for of_turn in zip(*by_patch, strict=True)]


def patches(size_hw: tuple[int, int], card: ModelCard) -> Grid:
    """Patches spread evenly over the picture: a tenth of its pixels, less of very large and more of small pictures."""
    rows, columns = (_patches_along(length, card) for length in size_hw)
    return Grid(rows, columns)


def _patches_along(length: int, card: ModelCard) -> tuple[Span, ...]:
    """Spread with gaps between them, or where that would be none, an even partition: each pixel counts once."""
    side = max(_PATCH_PX, card.min_size_px)
    wanted = round(length * math.sqrt(_SAMPLE_SHARE) / side)
    count = min(max(wanted, _LEAST_PATCHES), _MOST_PATCHES)
    covering = max(round(length / side), 1)
    if covering <= count:
        count, side = covering, max(-(-length // covering), card.min_size_px)
    side = -(-side // card.multiple_of_px) * card.multiple_of_px
    starts = [max(round((index + 0.5) * length / count - side / 2), 0) for index in range(count)]
    return tuple(Span(start, start + side, start, min(start + side, length)) for start in starts)
