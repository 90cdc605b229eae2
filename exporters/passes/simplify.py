"""Pass: onnxsim, followed by the ONNX checker."""

import onnx
import onnxsim

from sr_infer.errors import SrInferError


class SimplifyError(SrInferError):
    """onnxsim produced a graph that is not valid ONNX."""


def simplify(model: onnx.ModelProto) -> onnx.ModelProto:
    """Constants folded, identities dropped, no notes on the shapes in between, which passes would make untrue.

    Raises:
        SimplifyError: onnxsim fails, or the ONNX checker refuses what it left.
    """
    try:
        simplified, _ = onnxsim.simplify(model)
        onnx.checker.check_model(simplified, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError, RuntimeError) as error:
        raise SimplifyError(f"onnxsim left a graph that is not valid: {error}") from error
    graph: onnx.ModelProto = simplified
    del graph.graph.value_info[:]
    return graph
