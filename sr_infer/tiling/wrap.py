"""Continue an image beyond its border with its own other side, so that tileable textures stay tileable.

The network sees the image with a margin of pixels from the opposite side; the result is without the margin.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from sr_infer.image_io.pillow_modes import Pixels
from sr_infer.image_io.reader import Layout
from sr_infer.model_card import ModelCard
from sr_infer.options import Options
from sr_infer.tiling.alpha import BLEED_PX
from sr_infer.tiling.geometry import Span
from sr_infer.tiling.planner import halo_px
from sr_infer.tiling.tile_runner import TileResult
from sr_infer.tiling.windows import BICUBIC_PX, Source


def margin_hw(options: Options, card: ModelCard, dtype: np.dtype[np.generic]) -> tuple[int, int]:
    """Pixels that are added above and below, and on the left and right; zeros for an axis with a border.

    The margin covers the halo, and how far colour under transparency and bicubic interpolation reach.
    """
    if options.edges == "border":
        return 0, 0
    margin_px = card.size_requirements.round_up(max(halo_px(options, card, dtype), BICUBIC_PX) + BLEED_PX)
    return (margin_px if options.edges == "wrap" else 0), margin_px


def extended(layout: Layout, margin: tuple[int, int]) -> Layout:
    """The layout of an image with its margin."""
    return replace(layout, size_hw=(layout.size_hw[0] + 2 * margin[0], layout.size_hw[1] + 2 * margin[1]))


@dataclass(frozen=True)
class WrappedSource:
    """An image with its margin; its rows are read when they are needed."""

    source: Source
    margin: tuple[int, int]

    @property
    def layout(self) -> Layout:
        return extended(self.source.layout, self.margin)

    def rows(self, start: int, stop: int) -> Pixels:
        """Rows [start, stop) of the extended image, all columns: (stop - start, W, C)."""
        height, bands = self.source.layout.size_hw[0], []
        row, last = start - self.margin[0], stop - self.margin[0]
        while row < last:
            first = row % height
            count = min(height - first, last - row)
            bands.append(self.source.rows(first, first + count))
            row += count
        return np.pad(np.concatenate(bands), ((0, 0), (self.margin[1],) * 2, (0, 0)), mode="wrap")


def without_margin(
    tiles: Iterator[TileResult], size_hw: tuple[int, int], margin: tuple[int, int], scale: int
) -> Iterator[TileResult]:
    """Cut the margin off the results of tiles; tiles of nothing else are left out.

    Args:
        tiles: results of the extended image.
        size_hw: height and width of the image without its margin in px.
        margin: as `margin_hw` returns it.
        scale: scale of the network.
    """
    for tile in tiles:
        row, column = (
            _shifted(span, margin_px, length)
            for span, margin_px, length in zip((tile.row, tile.column), margin, size_hw, strict=True)
        )
        if row.keep_start < row.keep_stop and column.keep_start < column.keep_stop:
            top = (row.keep_start + margin[0] - tile.row.keep_start) * scale
            left = (column.keep_start + margin[1] - tile.column.keep_start) * scale
            height, width = (row.keep_stop - row.keep_start) * scale, (column.keep_stop - column.keep_start) * scale
            yield TileResult(row, column, tile.pixels[top : top + height, left : left + width])


def _shifted(span: Span, margin_px: int, length: int) -> Span:
    return Span(
        span.start - margin_px,
        span.stop - margin_px,
        max(span.keep_start - margin_px, 0),
        min(span.keep_stop - margin_px, length),
    )
