"""One picture through one network, window by window.

Each window yields a block: its kept part at the network's scale, in the picture's own channels and dtype. Blocks of
neighbouring windows abut, and together they are the upscaled picture.

Networks with channel attention average over their whole input, so a window would see other averages than the picture
does. Where the file offers it (`Session.takes_averages`), they are taken once from small patches spread over the
picture and fed to all windows, after which the network is purely convolutional and windows agree with each other.

Measured with a DRN-S50 x4 on 288x288 px of Set14's baboon and barbara, tiles of 96 px with 8 px of halo, against the
whole picture: 61.3 and 60.8 dB, 1 level at most, and no larger steps at tile borders than elsewhere.
"""

import math
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias, TypeVar

import numpy as np

from sr_infer import colour
from sr_infer.colour import Pixels, Planes
from sr_infer.model_card import ModelCard
from sr_infer.resize import imresize
from sr_infer.session import Batch, Session
from sr_infer.tiling import Grid, Span

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
_BICUBIC_PX = 3
"""More than the bicubic kernel reaches, so that resized parts equal the resized whole."""
_TURNS = 8
"""Flips and rotations of a square."""

_T = TypeVar("_T")

Block: TypeAlias = tuple[Span, Span, Pixels]
"""Row span, column span, and the pixels of their kept parts: ((keep_stop - keep_start) * scale along each axis, C)."""


class Source(Protocol):
    """A picture whose rows can be had: in memory, or read from a file band by band."""

    @property
    def size_hw(self) -> tuple[int, int]: ...
    @property
    def channels(self) -> int: ...
    @property
    def dtype(self) -> np.dtype[Any]: ...
    def rows(self, start: int, stop: int) -> Pixels: ...


def upscaled_blocks(
    network: Session,
    source: Source,
    grid: Grid,
    *,
    alpha: Literal["bicubic", "model"],
    ensemble: bool,
    workers: int = 1,
) -> Iterator[Block]:
    """Run all windows of a picture, row by row from the top left.

    Args:
        network: what to run.
        source: the LR picture.
        grid: its windows.
        alpha: how transparency is enlarged.
        ensemble: average over the 8 flips and rotations.
        workers: windows that are run at once.

    Yields:
        The blocks.

    Raises:
        ModelError: the network cannot be run.
    """
    averages = _shared_averages(network, source, grid, turns=_TURNS if ensemble else 1, workers=workers)

    def finished(window: _Window) -> Block:
        return window.row, window.column, _block(network, window, averages, alpha)

    yield from _in_order(finished, _windows(source, grid), workers)


@dataclass(frozen=True)
class _Window:
    """The pixels of one window and a margin around it, where the picture goes on."""

    pixels: Pixels
    """(H, W, C): the window and its margin, clipped to the picture; hidden colour replaced."""
    top: int
    left: int
    """Where `pixels` begins in the picture."""
    row: Span
    column: Span

    @property
    def colour(self) -> Pixels:
        return self.pixels[..., : 1 if self.pixels.shape[2] < 3 else 3]

    @property
    def alpha(self) -> Pixels | None:
        """(H, W, 1), or None for an opaque picture."""
        return self.pixels[..., -1:] if self.pixels.shape[2] in (2, 4) else None

    def network_part(self, pixels: Pixels) -> Pixels:
        """The window proper of `colour` or `alpha`, its edge repeated where it passes the picture's end."""
        part = pixels[
            self.row.start - self.top : self.row.stop - self.top,
            self.column.start - self.left : self.column.stop - self.left,
        ]
        missing = (self.row.stop - self.row.start - part.shape[0], self.column.stop - self.column.start - part.shape[1])
        if missing == (0, 0):
            return part
        return np.pad(part, ((0, missing[0]), (0, missing[1]), (0, 0)), mode="edge")

    def resized_part(self, pixels: Pixels, scale: int) -> Pixels:
        """The kept part of `colour`, `alpha` or other (H, W, C) pixels of this window, bicubic."""
        top = max(self.row.keep_start - self.top - _BICUBIC_PX, 0)
        left = max(self.column.keep_start - self.left - _BICUBIC_PX, 0)
        part = pixels[
            top : self.row.keep_stop - self.top + _BICUBIC_PX, left : self.column.keep_stop - self.left + _BICUBIC_PX
        ]
        large = imresize(part, (part.shape[0] * scale, part.shape[1] * scale))
        y, x = (self.row.keep_start - self.top - top) * scale, (self.column.keep_start - self.left - left) * scale
        return large[
            y : y + (self.row.keep_stop - self.row.keep_start) * scale,
            x : x + (self.column.keep_stop - self.column.keep_start) * scale,
        ]

    def kept(self, planes: Planes, scale: int) -> Planes:
        """The kept part of what the network made of `network_part`."""
        return planes[
            :,
            (self.row.keep_start - self.row.start) * scale : (self.row.keep_stop - self.row.start) * scale,
            (self.column.keep_start - self.column.start) * scale : (self.column.keep_stop - self.column.start) * scale,
        ]


@dataclass(frozen=True)
class _Band:
    """The rows of one row of windows."""

    pixels: Pixels
    top: int
    row: Span

    @classmethod
    def read(cls, source: Source, row: Span) -> "_Band":
        top = max(row.start - colour.BLEED_PX, 0)
        return cls(source.rows(top, min(row.stop + colour.BLEED_PX, source.size_hw[0])), top, row)

    def window(self, column: Span) -> _Window:
        left = max(column.start - colour.BLEED_PX, 0)
        pixels = self.pixels[:, left : column.stop + colour.BLEED_PX]
        if pixels.shape[2] in (2, 4):
            pixels = np.concatenate([colour.bled(pixels[..., :-1], pixels[..., -1]), pixels[..., -1:]], axis=2)
        return _Window(pixels, self.top, left, self.row, column)


def _windows(source: Source, grid: Grid) -> Iterator[_Window]:
    for row in grid.rows:
        band = _Band.read(source, row)
        for column in grid.columns:
            yield band.window(column)


def _in_order(function: Callable[[_Window], _T], windows: Iterator[_Window], workers: int) -> Iterator[_T]:
    """`map` with `workers` threads. One finished result may wait, more windows are not taken ahead."""
    if workers == 1:
        yield from map(function, windows)
        return
    pool = ThreadPoolExecutor(workers)
    try:
        pending: deque[Future[_T]] = deque()
        for window in windows:
            pending.append(pool.submit(function, window))
            if len(pending) > workers:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _block(
    network: Session, window: _Window, averages: list[Batch | None], alpha: Literal["bicubic", "model"]
) -> Pixels:
    card = network.card
    chroma = None
    if card.colour == "Y" and window.colour.shape[2] == 3:
        chroma = window.resized_part(colour.chroma(window.colour), card.scale).transpose(2, 0, 1)
    block = _through_network(network, window, window.colour, chroma, averages)
    if window.alpha is None:
        return block
    if alpha == "model":
        large = _through_network(network, window, window.alpha, None, averages)
    elif (window.alpha == window.alpha[0, 0]).all():
        large = np.full((*block.shape[:2], 1), window.alpha[0, 0], block.dtype)
    else:
        large = window.resized_part(window.alpha, card.scale)
    if block.dtype.kind == "f":
        large = np.clip(large, 0, 1)
    return np.concatenate([block, large], axis=2)


def _through_network(
    network: Session, window: _Window, pixels: Pixels, chroma: Planes | None, averages: list[Batch | None]
) -> Pixels:
    """The kept part of `pixels`, the window's colour or alpha, enlarged by the network."""
    planes = _network_planes(network, window, pixels)
    turned = [
        _turned_back(network.run(_turned(planes, turn)[None], shared)[0], turn) for turn, shared in enumerate(averages)
    ]
    large = turned[0] if len(turned) == 1 else np.stack(turned).mean(axis=0)
    kept = window.kept(large, network.card.scale)
    return colour.from_network(
        kept, chroma, channels=pixels.shape[2], dtype=pixels.dtype, value_range=network.card.value_range
    )


def _network_planes(network: Session, window: _Window, pixels: Pixels) -> Planes:
    return colour.to_network(
        window.network_part(pixels), luma_only=network.card.colour == "Y", value_range=network.card.value_range
    )


def _shared_averages(network: Session, source: Source, grid: Grid, *, turns: int, workers: int) -> list[Batch | None]:
    """For each orientation, the averages that all windows are given; None where each takes its own."""
    if len(grid) == 1 or not network.takes_averages:
        return [None] * turns

    def averages(patch: _Window) -> list[Batch]:
        planes = _network_planes(network, patch, patch.colour)
        return [network.averages(_turned(planes, turn)[None]) for turn in range(turns)]

    by_patch = list(_in_order(averages, _windows(source, _sample(source.size_hw, network.card)), workers))
    return [np.stack(of_turn).mean(axis=0) for of_turn in zip(*by_patch, strict=True)]


def _sample(size_hw: tuple[int, int], card: ModelCard) -> Grid:
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


def _turned(planes: Planes, turn: int) -> Planes:
    """(C, H, W) rotated by turn % 4 quarters, and before that mirrored from turn 4 on."""
    mirrored = planes[:, :, ::-1] if turn >= 4 else planes
    return np.ascontiguousarray(np.rot90(mirrored, turn % 4, axes=(1, 2)))


def _turned_back(planes: Planes, turn: int) -> Planes:
    upright = np.rot90(planes, -(turn % 4), axes=(1, 2))
    return upright[:, :, ::-1] if turn >= 4 else upright
