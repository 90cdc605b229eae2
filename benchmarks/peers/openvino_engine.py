"""OpenVINO, at the fixed size that suits it best."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import openvino
from numpy.typing import NDArray

from benchmarks.compared_networks import noise, unoptimised_onnx
from sr_infer.model_zoo import find

Config = dict[str, str | int]
Call = Callable[[], NDArray[np.float32]]


def float32(subject: str, side_px: int, threads: int) -> Call:
    return _call(
        unoptimised_onnx(subject),
        subject,
        side_px,
        {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads},
    )


def default(subject: str, side_px: int, threads: int) -> Call:
    """bf16 where the CPU has it."""
    return _call(unoptimised_onnx(subject), subject, side_px, {"INFERENCE_NUM_THREADS": threads})


def int8(subject: str, side_px: int, threads: int) -> Call:
    """Our int8 file, with float32 for what is not int8."""
    config: Config = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads}
    return _call(find(f"{subject}-int8"), subject, side_px, config)


def _call(path: Path, subject: str, side_px: int, config: Config) -> Call:
    core = openvino.Core()
    lr = noise(subject, side_px)
    model = core.read_model(path)
    model.reshape(lr.shape)
    request = core.compile_model(model, "CPU", {"PERFORMANCE_HINT": "LATENCY", **config}).create_infer_request()
    return lambda: request.infer([lr])[0].copy()
