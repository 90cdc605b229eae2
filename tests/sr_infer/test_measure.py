"""Measuring what is known beforehand."""

import pytest

from sr_infer import SrInferError, measure

MIB = 2**20


def hold(mebibytes: int) -> object:
    return lambda: b"x" * (mebibytes * MIB)


def test_peak_memory_is_what_the_call_adds(monkeypatch: pytest.MonkeyPatch) -> None:
    from pathlib import Path

    monkeypatch.setenv("PYTHONPATH", f"{Path(__file__).parent}:{Path(measure.__file__).parents[1]}")
    small, large = (measure.peak_memory("test_measure:hold", size) for size in (10, 210))
    assert 190 * MIB < large.added_bytes - small.added_bytes < 210 * MIB


def test_a_case_that_fails_says_why() -> None:
    with pytest.raises(SrInferError, match="no_such_module"):
        measure.peak_memory("no_such_module:case")


def test_latency_counts_only_repeats() -> None:
    calls: list[int] = []
    result = measure.latency(lambda: calls.append(1), repeats=4, warm_up=2)
    assert (len(calls), result.repeats) == (6, 4)
    assert result.median_ms >= 0
    assert result.spread_ms >= 0
