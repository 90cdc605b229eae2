"""Candidates take turns in real processes."""

import ast
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from benchmarks.compared_networks import make_noise
from benchmarks.peers import PEERS, Peer
from benchmarks.timing.interleaved import Candidate, Timing, compute_paired_ratio, time_interleaved

ROOT = Path(__file__).parents[3]


def sleeping(seconds: float) -> Callable[[], object]:
    return lambda: time.sleep(seconds)


def dying() -> Callable[[], object]:
    return lambda: os.kill(os.getpid(), signal.SIGKILL)


def printing() -> Callable[[], object]:
    return lambda: (print("noise of a library"), np.ones((2, 2)))[1]


def test_candidates_are_timed_and_checked_and_a_crash_ends_only_one(tmp_path: Path) -> None:
    np.save(tmp_path / "reference.npy", np.full((2, 2), 0.75))
    short, long, dead, absent, checked = time_interleaved(
        [
            Candidate("short", sleeping, (0.01,)),
            Candidate("long", sleeping, (0.05,)),
            Candidate("dead", dying, ()),
            Candidate("absent", f"{__name__}:no_such_function", ()),
            Candidate("checked", printing, (), check=True),
        ],
        rounds=3,
        threads=1,
        reference=tmp_path / "reference.npy",
    )
    assert [len(timing.times_ms) for timing in (short, long, dead, absent)] == [3, 3, 0, 0]
    assert compute_paired_ratio(long, short).median > 1.5
    assert "-9" in dead.failure
    assert "no_such_function" in absent.failure
    assert checked.difference == 0.25
    assert short.peak_bytes >= short.imported_bytes > 1e6


def test_ratios_are_computed_round_by_round() -> None:
    slow = Timing(name="slow", times_ms=[20.0, 200.0, 40.0])
    fast = Timing(name="fast", times_ms=[10.0, 100.0, 20.0])
    ratio = compute_paired_ratio(slow, fast)
    assert (ratio.low, ratio.median, ratio.high) == (2.0, 2.0, 2.0)


def test_noise_has_the_channels_of_its_network() -> None:
    assert make_noise("FSRCNN x4", 8).shape == (1, 1, 8, 8)
    np.testing.assert_array_equal(make_noise("srpn-lite-x4", 8), make_noise("IMDN x4", 8))


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
def test_the_case_of_a_peer_is_a_function_of_its_module(peer: Peer) -> None:
    """The test reads the source, because the engine may not be installed."""
    module, _, function = peer.case.partition(":")
    source = (ROOT / module.replace(".", "/")).with_suffix(".py").read_text(encoding="utf-8")
    assert function in {node.name for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)}
