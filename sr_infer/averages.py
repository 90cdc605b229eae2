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
_PATCH_PX = 32
"""Many small patches come closer to the whole picture than few large ones of as many pixels, until their borders weigh.

Measured with a DRN-S50 x4 on 288x288 px of Set14's baboon and 288x240 of barbara, dB between the results with such
averages and with the whole picture's: one or two windows of 96 px 54 to 56, 9 patches of 32 px 59 to 61, 36 of 16 px
61, 16 of 32 px 64; all pixels, window by window, 64. With each window's own averages 53, and a step at every border.
"""
_LEAST_PATCHES, _MOST_PATCHES = 4, 16
"""Along a side of the picture."""


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
    side = -(-max(_PATCH_PX, card.min_size_px) // card.multiple_of_px) * card.multiple_of_px
    rows, columns = (
        _spread(
            length, side, sorted((_LEAST_PATCHES, round(length * math.sqrt(_SAMPLE_SHARE) / side), _MOST_PATCHES))[1]
        )
        for length in size_hw
    )
    return Grid(rows, columns)


def _spread(length: int, side: int, count: int) -> tuple[Span, ...]:
    starts = [max(round((index + 0.5) * length / count - side / 2), 0) for index in range(count)]
    return tuple(Span(start, start + side, start, min(start + side, length)) for start in starts)
