"""OpenVINO, at the fixed size that suits it best."""

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
    """bf16 where the CPU has it."""
    return _prepare(unoptimised_onnx(network), network, side_px, {"INFERENCE_NUM_THREADS": threads})


def int8(network: str, side_px: int, threads: int) -> RunNetwork:
    """Our int8 file, with float32 for what is not int8."""
    config: Config = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads}
    return _prepare(find(f"{network}-int8"), network, side_px, config)


def _prepare(path: Path, network: str, side_px: int, config: Config) -> RunNetwork:
    core = openvino.Core()
    lr = make_noise(network, side_px)
    model = core.read_model(path)
    model.reshape(lr.shape)
    request = core.compile_model(model, "CPU", {"PERFORMANCE_HINT": "LATENCY", **config}).create_infer_request()
    return lambda: request.infer([lr])[0].copy()
