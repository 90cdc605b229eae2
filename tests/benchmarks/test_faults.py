"""The quick kinds of `python -m benchmarks.faults`: kills, full disks and special targets lose nothing."""

import sys

import pytest

from benchmarks.faults import KINDS, Kind

QUICK = [kind for kind in KINDS if kind.quick_cases]


@pytest.mark.skipif(sys.platform != "linux", reason="needs signals, FIFOs and limits of Linux")
@pytest.mark.parametrize("kind", QUICK, ids=lambda kind: kind.name)
def test_nothing_is_lost(kind: Kind) -> None:
    tally = kind.try_cases(kind.quick_cases)
    assert tally.survived == tally.cases > 0, tally.notes
    assert not tally.lost
