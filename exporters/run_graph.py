"""Run a graph in onnxruntime before it is a file: its session, its inner tensors, its speed beside another's."""

import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper

from sr_infer.resources import usable_cpus

Batch = NDArray[np.float32]

PROBE_PX = 96
ROUNDS = 7
MIN_ROUNDS = 3
MAX_SECONDS = 5.0
"""No round begins after this time, except the first three."""


def session_for(model: onnx.ModelProto, *, threads: int | None = None) -> onnxruntime.InferenceSession:
    """Open a session for a graph, with the runtime's number of threads by default. Errors are onnxruntime's own."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = threads or usable_cpus()
    options.add_session_config_entry("session.force_spinning_stop", "1")
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def intermediate_tensors(
    model: onnx.ModelProto, tensors: Sequence[str], crops: Sequence[Batch]
) -> Iterator[dict[str, Batch]]:
    """Run a float graph on each crop and yield the values of the named tensors."""
    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    ends = {value.name for value in (*watched.graph.input, *watched.graph.output)}
    inner = [name for name in tensors if name not in ends]
    watched.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in inner)
    session = session_for(watched)
    asked = [name for name in tensors if name != "lr"]
    for crop in crops:
        found = session.run(asked, {"lr": crop}) if asked else []
        yield dict(zip(asked, found, strict=True)) | {"lr": crop}


@dataclass(frozen=True)
class Comparison:
    """Median times for one LR image of 96x96."""

    before_ms: float
    after_ms: float

    @property
    def speedup(self) -> float:
        """How many times faster the second graph is."""
        return self.before_ms / self.after_ms


def compare_speed(before: onnx.ModelProto, after: onnx.ModelProto, *, threads: int) -> Comparison:
    """Time two graphs, alternating, three to seven times each after a warm-up.

    Args:
        before: one graph.
        after: the other.
        threads: with one thread, processor time is measured, which other processes hardly change; with more, wall time.
    """
    clock = time.thread_time if threads == 1 else time.perf_counter
    channels = before.graph.input[0].type.tensor_type.shape.dim[1].dim_value
    lr = np.random.default_rng(0).random((1, channels, PROBE_PX, PROBE_PX), np.float32)
    sessions = [session_for(model, threads=threads) for model in (before, after)]
    times_ms: list[list[float]] = [[], []]
    began = time.perf_counter()
    for round_number in range(ROUNDS + 1):
        if round_number > MIN_ROUNDS and time.perf_counter() - began > MAX_SECONDS:
            break
        for session, measured in zip(sessions, times_ms, strict=True):
            start = clock()
            session.run(None, {"lr": lr})
            if round_number:
                measured.append((clock() - start) * 1e3)
    return Comparison(*map(statistics.median, times_ms))
