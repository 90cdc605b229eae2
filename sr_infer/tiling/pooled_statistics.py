"""Channel averages that all windows of a picture share.

Networks with channel attention average over their whole input, so a window would see other averages than the picture
does. Where the file offers it (`Session.takes_averages`), they are taken once from small patches spread over the
picture and fed to all windows, after which the network is purely convolutional and windows agree with each other.
"""

import math

import numpy as np

from sr_infer.engine.session import Batch, Session
from sr_infer.model_card import ModelCard
from sr_infer.tiling.geometry import Grid, Span
from sr_infer.tiling.ordered_map import in_order
from sr_infer.tiling.self_ensemble import turned
from sr_infer.tiling.windows import Source, Window, windows

_SAMPLE_SHARE = 0.1
"""Of the pixels, that averages are taken from."""
_LEAST_PATCH_PX, _MOST_PATCH_PX = 64, 128
"""As large as the windows, between these: their borders, padded with zeros, pull the averages away from the picture's.

Measured with DRN-S50 x4 on 384x384 px of scikit-image's astronaut and coffee, dB between the results with such averages
and with the whole picture's: 9 patches of 64 px 53.9 and 56.0, of 96 px 59.1 and 58.4, of 128 px 63.0 and 60.5.
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

    spread = patches(source.size_hw, grid.window_hw, network.card)
    by_patch = list(in_order(averages, windows(source, spread), workers))
    return [np.stack(of_turn).mean(axis=0) for of_turn in zip(*by_patch, strict=True)]


def patches(size_hw: tuple[int, int], window_hw: tuple[int, int], card: ModelCard) -> Grid:
    """Patches spread evenly over the picture: a tenth of its pixels, less of very large and more of small pictures.

    Args:
        size_hw: of the picture.
        window_hw: of the windows that it is cut into; patches are no larger, unless these are below 96 px.
        card: of the network.
    """
    rows, columns = (_patches_along(*lengths, card) for lengths in zip(size_hw, window_hw, strict=True))
    return Grid(rows, columns)


def _patches_along(length: int, window_px: int, card: ModelCard) -> tuple[Span, ...]:
    """Spread with gaps between them, or where that would be none, an even partition: each pixel counts once."""
    largest = max(window_px, _LEAST_PATCH_PX * 3 // 2)
    side = max(min(window_px, _MOST_PATCH_PX) if window_px == largest else _LEAST_PATCH_PX, card.min_size_px)
    wanted = round(length * math.sqrt(_SAMPLE_SHARE) / side)
    count = min(max(wanted, _LEAST_PATCHES), _MOST_PATCHES)
    covering = max(round(length / side), math.ceil(length / largest))
    if covering <= count:
        count, side = covering, max(-(-length // covering), card.min_size_px)
    side = -(-side // card.multiple_of_px) * card.multiple_of_px
    starts = [max(round((index + 0.5) * length / count - side / 2), 0) for index in range(count)]
    return tuple(Span(start, start + side, start, min(start + side, length)) for start in starts)
