"""OpenVINO, at the fixed size that suits it best."""

from collections.abc import Callable

import numpy as np
import openvino
from numpy.typing import NDArray

from benchmarks.subjects import noise, unoptimised_onnx

Call = Callable[[], NDArray[np.float32]]


def float32(subject: str, side_px: int, threads: int) -> Call:
    return _call(subject, side_px, {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads})


def default(subject: str, side_px: int, threads: int) -> Call:
    """bf16 where the CPU has it."""
    return _call(subject, side_px, {"INFERENCE_NUM_THREADS": threads})


def _call(subject: str, side_px: int, config: dict[str, str | int]) -> Call:
    core = openvino.Core()
    lr = noise(subject, side_px)
    model = core.read_model(unoptimised_onnx(subject))
    model.reshape(lr.shape)
    request = core.compile_model(model, "CPU", {"PERFORMANCE_HINT": "LATENCY", **config}).create_infer_request()
    return lambda: request.infer([lr])[0].copy()
