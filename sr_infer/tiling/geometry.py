"""Divide an image into windows, and tell which part of each result is kept. Pure geometry in LR pixels.

Along each axis all windows have the same length, so that the engine plans its memory once. They are spread evenly: the
first starts at the border of the image and the last ends at it, so that both see the same padding as the whole image,
and no window is a sliver. Neighbours overlap by at least two halos and share a seam in the middle.

With a halo of at least the radius of the receptive field, every kept pixel equals that of the whole image. For networks
that average over their whole input (channel attention) no halo achieves this; `pooled_statistics` gives all their
windows the same averages instead.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from sr_infer.errors import OptionError


@dataclass(frozen=True)
class Span:
    """One window along one axis: the network sees [start, stop) and [keep_start, keep_stop) is kept.

    `stop` lies beyond the end of an image that must be padded to a size that the network takes.
    """

    start: int
    stop: int
    keep_start: int
    keep_stop: int


@dataclass(frozen=True)
class Grid:
    """All windows of an image: every row span with every column span."""

    rows: tuple[Span, ...]
    columns: tuple[Span, ...]

    def __len__(self) -> int:
        return len(self.rows) * len(self.columns)

    def __iter__(self) -> Iterator[tuple[Span, Span]]:
        """Iterate row by row from the top left."""
        return ((row, column) for row in self.rows for column in self.columns)

    @property
    def window_hw(self) -> tuple[int, int]:
        """Height and width in px of every window."""
        return (self.rows[0].stop - self.rows[0].start, self.columns[0].stop - self.columns[0].start)

    @property
    def window_pixels(self) -> int:
        """Number of pixels of one window."""
        return self.window_hw[0] * self.window_hw[1]


def plan(
    size_hw: tuple[int, int], *, tile_px: int, halo_px: int, multiple_of_px: int = 1, min_size_px: int = 1
) -> Grid:
    """Divide an image into windows.

    Args:
        size_hw: height and width of the image in px, each at least 1.
        tile_px: largest side of a tile without its halo; tiles are evenly large.
        halo_px: overlap on each side of a tile, rounded up to the multiple.
        multiple_of_px: sides and positions of windows are multiples of this.
        min_size_px: smallest side of a window.

    Raises:
        OptionError: a length is out of range.
    """
    for name, value, least in (
        ("height", size_hw[0], 1),
        ("width", size_hw[1], 1),
        ("tile_px", tile_px, 1),
        ("halo_px", halo_px, 0),
        ("multiple_of_px", multiple_of_px, 1),
        ("min_size_px", min_size_px, 1),
    ):
        if value < least:
            raise OptionError(f"expected {name} of at least {least}, got {value}")
    rows, columns = (_spans(length, tile_px, halo_px, multiple_of_px, min_size_px) for length in size_hw)
    return Grid(rows, columns)


def _spans(length: int, tile_px: int, halo_px: int, multiple: int, min_size: int) -> tuple[Span, ...]:
    """Divide one axis into spans, in units of `multiple`."""
    padded = _ceil_div(max(length, min_size), multiple)
    halo = _ceil_div(halo_px, multiple)
    least = _ceil_div(min_size, multiple)
    tile = max(_ceil_div(tile_px, multiple), least - 2 * halo)
    inner = padded - 2 * halo
    if inner <= tile:
        return (Span(0, padded * multiple, 0, length),)
    count = _ceil_div(inner, tile)
    window = max(_ceil_div(inner, count) + 2 * halo, least)
    starts = [i * (padded - window) // (count - 1) * multiple for i in range(count)]
    stops = [start + window * multiple for start in starts]
    seams = [(stop + start) // 2 for stop, start in zip(stops[:-1], starts[1:], strict=True)]
    return tuple(map(Span, starts, stops, [0, *seams], [*seams, length]))


def _ceil_div(a: int, b: int) -> int:
    return -(-a // b)
