"""Which windows of a picture a network sees, and which part of each result is kept. Pure geometry in LR pixels.

Along each axis all windows have the same length, so that the runtime plans its memory once. They are spread evenly from
border to border: the first starts at the picture's border and the last ends at it, so both see the padding that the
whole picture sees, and there are no slivers. Neighbours overlap by at least two halos and share a seam in the middle.

With a halo of at least the receptive-field radius every kept pixel is what the whole picture would have given. Networks
that average over their whole input (channel attention) cannot be made equal by a halo; `pooled_statistics` feeds all
their windows one set of averages instead.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from sr_infer.errors import OptionError


@dataclass(frozen=True)
class Span:
    """One window along one axis: the network sees [start, stop), of which [keep_start, keep_stop) is kept.

    `stop` passes the end of the picture where the picture must be padded up to what the network takes.
    """

    start: int
    stop: int
    keep_start: int
    keep_stop: int


@dataclass(frozen=True)
class Grid:
    """All windows of a picture: every row span with every column span."""

    rows: tuple[Span, ...]
    columns: tuple[Span, ...]

    def __len__(self) -> int:
        return len(self.rows) * len(self.columns)

    def __iter__(self) -> Iterator[tuple[Span, Span]]:
        """Row by row, from the top left."""
        return ((row, column) for row in self.rows for column in self.columns)

    @property
    def window_hw(self) -> tuple[int, int]:
        """The one shape that all windows have."""
        return (self.rows[0].stop - self.rows[0].start, self.columns[0].stop - self.columns[0].start)

    @property
    def window_px(self) -> int:
        """Pixels of one window."""
        return self.window_hw[0] * self.window_hw[1]


def plan(
    size_hw: tuple[int, int], *, tile_px: int, halo_px: int, multiple_of_px: int = 1, min_size_px: int = 1
) -> Grid:
    """Divide a picture into windows.

    Args:
        size_hw: height and width of the picture, each at least 1.
        tile_px: side of a tile without its halo; tiles come out at most so large, evenly.
        halo_px: overlap on each side that a tile is computed with; rounded up to the multiple.
        multiple_of_px: window sides and positions are multiples of this.
        min_size_px: the smallest window side.

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
    """Spans along one axis, computed in units of `multiple`."""
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
