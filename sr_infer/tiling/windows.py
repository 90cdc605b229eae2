"""The pixels of each window of a picture, with what lies around them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from sr_infer import colour
from sr_infer.colour import Planes
from sr_infer.image_io.pillow_modes import Pixels
from sr_infer.model_card import ModelCard
from sr_infer.resize import imresize
from sr_infer.tiling.geometry import Grid, Span

_BICUBIC_PX = 3
"""More than the bicubic kernel reaches, so that resized parts equal the resized whole."""


class Source(Protocol):
    """A picture whose rows can be had: in memory, or read from a file band by band."""

    @property
    def size_hw(self) -> tuple[int, int]: ...
    @property
    def channels(self) -> int: ...
    @property
    def dtype(self) -> np.dtype[Any]: ...
    def rows(self, start: int, stop: int) -> Pixels: ...


@dataclass(frozen=True)
class Window:
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

    def network_planes(self, pixels: Pixels, card: ModelCard) -> Planes:
        """The window proper of `colour` or `alpha` as the network takes it; past the picture's end its edge goes on."""
        part = pixels[
            self.row.start - self.top : self.row.stop - self.top,
            self.column.start - self.left : self.column.stop - self.left,
        ]
        missing = (self.row.stop - self.row.start - part.shape[0], self.column.stop - self.column.start - part.shape[1])
        if missing != (0, 0):
            part = np.pad(part, ((0, missing[0]), (0, missing[1]), (0, 0)), mode="edge")
        return colour.to_network(part, luma_only=card.colour == "Y", value_range=card.value_range)

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
        """The kept part of what the network made of `network_planes`."""
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

    def window(self, column: Span) -> Window:
        left = max(column.start - colour.BLEED_PX, 0)
        pixels = self.pixels[:, left : column.stop + colour.BLEED_PX]
        if pixels.shape[2] in (2, 4):
            pixels = np.concatenate([colour.bled(pixels[..., :-1], pixels[..., -1]), pixels[..., -1:]], axis=2)
        return Window(pixels, self.top, left, self.row, column)


def windows(source: Source, grid: Grid) -> Iterator[Window]:
    """All windows of a picture, row by row from the top left."""
    for row in grid.rows:
        band = _Band.read(source, row)
        for column in grid.columns:
            yield band.window(column)
