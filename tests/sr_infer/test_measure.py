"""Measuring what is known beforehand."""

from pathlib import Path

import pytest

from sr_infer import SrInferError, measure

MIB = 2**20


def hold(mebibytes: int) -> object:
    return lambda: b"x" * (mebibytes * MIB)


def test_peak_memory_is_what_the_call_adds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(measure.__file__).parents[1])
    small, large = (measure.peak_memory(hold, size) for size in (10, 210))
    assert 190 * MIB < large.added_by_call_bytes - small.added_by_call_bytes < 210 * MIB


def fail() -> object:
    raise ValueError("no such picture")


def test_a_case_that_fails_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(measure.__file__).parents[1])
    with pytest.raises(SrInferError, match=r"test_measure:fail failed: ValueError: no such picture"):
        measure.peak_memory(fail)


def test_latency_counts_only_repeats() -> None:
    calls: list[int] = []
    result = measure.latency(lambda: calls.append(1), repeats=4, warm_up=2)
    assert (len(calls), result.repeats) == (6, 4)
    assert result.median_ms >= 0
    assert result.spread_ms >= 0
