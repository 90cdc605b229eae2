"""Which of two graphs is faster here: both timed in turns, so that whatever else the machine does falls on both."""

import statistics
import time
from dataclasses import dataclass

import numpy as np
import onnx

from exporters.open_graph import open_graph

PROBE_PX = 96
ROUNDS = 7
FEWEST_ROUNDS = 3
ENOUGH_S = 5.0
"""After so long no further round begins, if there were three."""


@dataclass(frozen=True)
class Comparison:
    """Median times of one LR picture of 96x96."""

    before_ms: float
    after_ms: float

    @property
    def gain(self) -> float:
        """How many times faster the second graph is."""
        return self.before_ms / self.after_ms


def compare_speed(before: onnx.ModelProto, after: onnx.ModelProto, *, threads: int) -> Comparison:
    """Time two graphs, alternating, three to seven times each after a warm-up.

    Args:
        before: one graph.
        after: the other.
        threads: on one, the processor's time is taken, which work of others beside hardly moves; on more, the clock's.
    """
    clock = time.thread_time if threads == 1 else time.perf_counter
    lr = np.random.default_rng(0).random((1, 3, PROBE_PX, PROBE_PX), np.float32)
    sessions = [open_graph(model, threads=threads) for model in (before, after)]
    times_ms: list[list[float]] = [[], []]
    began = time.perf_counter()
    for round_number in range(ROUNDS + 1):
        if round_number > FEWEST_ROUNDS and time.perf_counter() - began > ENOUGH_S:
            break
        for session, measured in zip(sessions, times_ms, strict=True):
            start = clock()
            session.run(None, {"lr": lr})
            if round_number:
                measured.append((clock() - start) * 1e3)
    return Comparison(*map(statistics.median, times_ms))
