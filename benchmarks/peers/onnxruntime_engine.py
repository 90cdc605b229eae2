"""onnxruntime with its default options."""

from benchmarks.compared_networks import make_noise
from benchmarks.converted_files import unoptimised_onnx
from benchmarks.peers import RunNetwork
from sr_infer.engine.onnxruntime_engine import import_onnxruntime

onnxruntime = import_onnxruntime()


def unoptimised(network: str, side_px: int, threads: int) -> RunNetwork:
    """Run the graph from torch's exporter without our passes."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(str(unoptimised_onnx(network)), options, providers=["CPUExecutionProvider"])
    lr = make_noise(network, side_px)
    return lambda: session.run(["sr"], {"lr": lr})[0]
