"""Which of two graphs is faster here: both timed in turns, so that whatever else the machine does falls on both."""

import statistics
import time
from dataclasses import dataclass

import numpy as np
import onnx

from exporters.open_graph import open_graph

PROBE_PX = 96
ROUNDS = 7


@dataclass(frozen=True)
class Comparison:
    """Median wall times of one LR picture of 96x96."""

    before_ms: float
    after_ms: float

    @property
    def gain(self) -> float:
        """How many times faster the second graph is."""
        return self.before_ms / self.after_ms


def compare_speed(before: onnx.ModelProto, after: onnx.ModelProto, *, threads: int | None = None) -> Comparison:
    """Time two graphs of the same function, alternating, seven times each after a warm-up.

    Args:
        before: one graph.
        after: the other.
        threads: None takes as many as the runtime takes.
    """
    lr = np.random.default_rng(0).random((1, 3, PROBE_PX, PROBE_PX), np.float32)
    sessions = [open_graph(model, threads=threads) for model in (before, after)]
    times_ms: list[list[float]] = [[], []]
    for round_number in range(ROUNDS + 1):
        for session, measured in zip(sessions, times_ms, strict=True):
            start = time.perf_counter()
            session.run(["sr"], {"lr": lr})
            if round_number:
                measured.append((time.perf_counter() - start) * 1e3)
    return Comparison(*map(statistics.median, times_ms))
