"""OpenVINO with a fixed input size, which is its fastest form."""

from pathlib import Path

import openvino

from benchmarks.compared_networks import make_noise
from benchmarks.converted_files import unoptimised_onnx
from benchmarks.peers import RunNetwork
from sr_infer.model_zoo import find

Config = dict[str, str | int]


def float32(network: str, side_px: int, threads: int) -> RunNetwork:
    return _prepare(
        unoptimised_onnx(network),
        network,
        side_px,
        {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads},
    )


def default(network: str, side_px: int, threads: int) -> RunNetwork:
    """Let OpenVINO choose the precision: bf16 if the CPU supports it."""
    return _prepare(unoptimised_onnx(network), network, side_px, {"INFERENCE_NUM_THREADS": threads})


def int8(network: str, side_px: int, threads: int) -> RunNetwork:
    """Run our int8 file; the other operators compute in float32."""
    config: Config = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads}
    return _prepare(find(f"{network}-int8"), network, side_px, config)


def _prepare(path: Path, network: str, side_px: int, config: Config) -> RunNetwork:
    core = openvino.Core()
    lr = make_noise(network, side_px)
    model = core.read_model(path)
    model.reshape(lr.shape)
    request = core.compile_model(model, "CPU", {"PERFORMANCE_HINT": "LATENCY", **config}).create_infer_request()
    return lambda: request.infer([lr])[0].copy()
