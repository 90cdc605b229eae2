"""An onnxruntime session for a graph that is not a file yet."""

import onnx
import onnxruntime

from sr_infer.session import default_threads


def open_graph(model: onnx.ModelProto) -> onnxruntime.InferenceSession:
    """With as many threads as the runtime takes; the exceptions are onnxruntime's own."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = default_threads()
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
