"""An onnxruntime session for a graph that is not a file yet."""

import onnx
import onnxruntime

from sr_infer.resources import usable_cpus


def open_graph(model: onnx.ModelProto, *, threads: int | None = None) -> onnxruntime.InferenceSession:
    """With as many threads as the runtime takes unless told otherwise; the exceptions are onnxruntime's own."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = threads or usable_cpus()
    options.add_session_config_entry("session.force_spinning_stop", "1")
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
