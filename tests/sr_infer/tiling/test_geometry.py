"""The geometry of windows, for any numbers."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sr_infer.errors import OptionError
from sr_infer.tiling import Span, plan


@pytest.mark.parametrize(
    ("length", "tile", "halo", "expected"),
    [
        (1, 16, 8, [(0, 1, 0, 1)]),
        (32, 16, 8, [(0, 32, 0, 32)]),
        (33, 16, 8, [(0, 25, 0, 16), (8, 33, 16, 33)]),
        (100, 32, 0, [(0, 25, 0, 25), (25, 50, 25, 50), (50, 75, 50, 75), (75, 100, 75, 100)]),
    ],
)
def test_windows_are_even_and_reach_from_border_to_border(
    length: int, tile: int, halo: int, expected: list[tuple[int, ...]]
) -> None:
    assert plan((length, 1), tile_px=tile, halo_px=halo).rows == tuple(Span(*span) for span in expected)


@settings(max_examples=300, deadline=None)
@given(
    length=st.integers(1, 5000),
    tile=st.integers(1, 600),
    halo=st.integers(0, 100),
    multiple=st.integers(1, 16),
    least=st.integers(1, 64),
)
def test_every_pixel_is_kept_once_with_its_halo(length: int, tile: int, halo: int, multiple: int, least: int) -> None:
    rows = plan((length, 1), tile_px=tile, halo_px=halo, multiple_of_px=multiple, min_size_px=least).rows
    assert [row.keep_start for row in rows] == [0, *(row.keep_stop for row in rows[:-1])]
    assert rows[-1].keep_stop == length
    assert rows[0].start == 0
    end = rows[-1].stop
    assert end >= length
    assert end - max(length, least) < multiple
    sides = {row.stop - row.start for row in rows}
    assert len(sides) == 1
    (side,) = sides
    assert side >= least
    assert side % multiple == 0
    for row in rows:
        assert row.start % multiple == 0
        assert row.keep_start < row.keep_stop
        assert row.start == 0 or row.keep_start - row.start >= halo
        assert row.stop == end or row.stop - row.keep_stop >= halo
    if len(rows) > 1:
        kept = [row.keep_stop - row.keep_start for row in rows]
        rounded_halo = -(-halo // multiple) * multiple
        assert side <= max(-(-tile // multiple) * multiple, least + multiple) + 2 * rounded_halo
        assert min(kept) * 4 >= side - 2 * rounded_halo - multiple, "a sliver"


@pytest.mark.parametrize("wrong", [{"tile_px": 0}, {"halo_px": -1}, {"multiple_of_px": 0}, {"min_size_px": 0}])
def test_impossible_lengths_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(OptionError):
        plan((10, 10), **({"tile_px": 4, "halo_px": 1} | wrong))
