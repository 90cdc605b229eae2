"""Read the pixels of each window of an image, with a margin around them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from sr_infer import colour
from sr_infer.colour import Planes
from sr_infer.image_io.pillow_modes import Pixels
from sr_infer.image_io.reader import Layout
from sr_infer.model_card import ModelCard
from sr_infer.resize import imresize
from sr_infer.tiling.alpha import BLEED_PX, bleed_colour
from sr_infer.tiling.geometry import Grid, Span

BICUBIC_PX = 3
"""Margin in px around a part that is resized: more than the bicubic kernel reaches, so that parts equal the whole."""


class Source(Protocol):
    """An image whose rows can be read: in memory, or from a file band by band."""

    @property
    def layout(self) -> Layout: ...
    def rows(self, start: int, stop: int) -> Pixels: ...


@dataclass(frozen=True)
class Window:
    """The pixels of one window and a margin around it."""

    pixels: Pixels
    """(H, W, C): the window and its margin, clipped to the image; hidden colour is replaced."""
    top: int
    left: int
    """Column of the image at which `pixels` begins; `top` is the row."""
    row: Span
    column: Span

    @property
    def colour(self) -> Pixels:
        """(H, W, 1) or (H, W, 3)."""
        return self.pixels[..., : 1 if self.pixels.shape[2] < 3 else 3]

    @property
    def alpha(self) -> Pixels | None:
        """(H, W, 1), or None for an opaque image."""
        return self.pixels[..., -1:] if self.pixels.shape[2] in (2, 4) else None

    def network_planes(self, pixels: Pixels, card: ModelCard) -> Planes:
        """Convert the window without margin to the planes that the network takes.

        Args:
            pixels: `colour` or `alpha` of this window. Beyond the end of the image its edge is repeated.
            card: model card of the network.
        """
        part = pixels[
            self.row.start - self.top : self.row.stop - self.top,
            self.column.start - self.left : self.column.stop - self.left,
        ]
        missing = (self.row.stop - self.row.start - part.shape[0], self.column.stop - self.column.start - part.shape[1])
        if missing != (0, 0):
            part = np.pad(part, ((0, missing[0]), (0, missing[1]), (0, 0)), mode="edge")
        return colour.to_network(part, luma_only=card.colour == "Y", value_range=card.value_range)

    def resized_part(self, pixels: Pixels, scale: int) -> Pixels:
        """Resize the kept part of `colour`, `alpha` or other (H, W, C) pixels of this window, bicubic."""
        top = max(self.row.keep_start - self.top - BICUBIC_PX, 0)
        left = max(self.column.keep_start - self.left - BICUBIC_PX, 0)
        part = pixels[
            top : self.row.keep_stop - self.top + BICUBIC_PX, left : self.column.keep_stop - self.left + BICUBIC_PX
        ]
        large = imresize(part, (part.shape[0] * scale, part.shape[1] * scale))
        y, x = (self.row.keep_start - self.top - top) * scale, (self.column.keep_start - self.left - left) * scale
        return large[
            y : y + (self.row.keep_stop - self.row.keep_start) * scale,
            x : x + (self.column.keep_stop - self.column.keep_start) * scale,
        ]

    def kept(self, planes: Planes, scale: int) -> Planes:
        """Cut the kept part out of the network's result for this window."""
        return planes[
            :,
            (self.row.keep_start - self.row.start) * scale : (self.row.keep_stop - self.row.start) * scale,
            (self.column.keep_start - self.column.start) * scale : (self.column.keep_stop - self.column.start) * scale,
        ]


@dataclass(frozen=True)
class _Band:
    """The image rows of one row of windows."""

    pixels: Pixels
    top: int
    row: Span

    @classmethod
    def read(cls, source: Source, row: Span) -> "_Band":
        top = max(row.start - BLEED_PX, 0)
        return cls(source.rows(top, min(row.stop + BLEED_PX, source.layout.size_hw[0])), top, row)

    def window(self, column: Span) -> Window:
        left = max(column.start - BLEED_PX, 0)
        pixels = self.pixels[:, left : column.stop + BLEED_PX]
        if pixels.shape[2] in (2, 4):
            pixels = np.concatenate([bleed_colour(pixels[..., :-1], pixels[..., -1]), pixels[..., -1:]], axis=2)
        return Window(pixels, self.top, left, self.row, column)


def windows(source: Source, grid: Grid) -> Iterator[Window]:
    """Read all windows of an image, row by row from the top left."""
    for row in grid.rows:
        band = _Band.read(source, row)
        for column in grid.columns:
            yield band.window(column)
