"""OpenVINO, at the fixed size that suits it best."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import openvino
from numpy.typing import NDArray

from benchmarks.compared_networks import make_noise
from benchmarks.converted_files import unoptimised_onnx
from sr_infer.model_zoo import find

Config = dict[str, str | int]
Call = Callable[[], NDArray[np.float32]]


def float32(network: str, side_px: int, threads: int) -> Call:
    return _call(
        unoptimised_onnx(network),
        network,
        side_px,
        {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads},
    )


def default(network: str, side_px: int, threads: int) -> Call:
    """bf16 where the CPU has it."""
    return _call(unoptimised_onnx(network), network, side_px, {"INFERENCE_NUM_THREADS": threads})


def int8(network: str, side_px: int, threads: int) -> Call:
    """Our int8 file, with float32 for what is not int8."""
    config: Config = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads}
    return _call(find(f"{network}-int8"), network, side_px, config)


def _call(path: Path, network: str, side_px: int, config: Config) -> Call:
    core = openvino.Core()
    lr = make_noise(network, side_px)
    model = core.read_model(path)
    model.reshape(lr.shape)
    request = core.compile_model(model, "CPU", {"PERFORMANCE_HINT": "LATENCY", **config}).create_infer_request()
    return lambda: request.infer([lr])[0].copy()
