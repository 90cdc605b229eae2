"""Races between real processes."""

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from benchmarks.compared_networks import make_noise
from benchmarks.timing.interleaved import Contender, Finish, paired_ratio, race


def sleeping(seconds: float) -> Callable[[], object]:
    return lambda: time.sleep(seconds)


def dying() -> Callable[[], object]:
    return lambda: os.kill(os.getpid(), signal.SIGKILL)


def printing() -> Callable[[], object]:
    return lambda: (print("noise of a library"), np.ones((2, 2)))[1]


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(Path(__file__).parent), *filter(None, sys.path))))


@pytest.mark.usefixtures("here")
def test_contenders_are_timed_checked_and_survive_each_other(tmp_path: Path) -> None:
    np.save(tmp_path / "reference.npy", np.full((2, 2), 0.75))
    short, long, dead, absent, checked = race(
        [
            Contender("short", "test_race:sleeping", (0.01,)),
            Contender("long", "test_race:sleeping", (0.05,)),
            Contender("dead", "test_race:dying", ()),
            Contender("absent", "test_race:no_such_function", ()),
            Contender("checked", "test_race:printing", (), check=True),
        ],
        rounds=3,
        threads=1,
        reference=tmp_path / "reference.npy",
    )
    assert [len(finish.times_ms) for finish in (short, long, dead, absent)] == [3, 3, 0, 0]
    assert paired_ratio(long, short).median > 1.5
    assert "-9" in dead.failure
    assert "no_such_function" in absent.failure
    assert checked.difference == 0.25
    assert short.peak_bytes >= short.imported_bytes > 1e6


def test_ratios_are_taken_round_by_round() -> None:
    slow = Finish(name="slow", times_ms=[20.0, 200.0, 40.0])
    fast = Finish(name="fast", times_ms=[10.0, 100.0, 20.0])
    ratio = paired_ratio(slow, fast)
    assert (ratio.low, ratio.median, ratio.high) == (2.0, 2.0, 2.0)


def test_noise_has_the_channels_of_its_subject() -> None:
    assert make_noise("FSRCNN x4", 8).shape == (1, 1, 8, 8)
    np.testing.assert_array_equal(make_noise("srpn-lite-x4", 8), make_noise("IMDN x4", 8))
