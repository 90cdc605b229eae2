"""onnxsim, the ONNX checker and shape inference."""

import onnx
import onnxsim

from sr_infer.errors import SrInferError


class SimplifyError(SrInferError):
    """onnxsim changed the result, or what it left is not valid ONNX."""


def simplify(model: onnx.ModelProto) -> onnx.ModelProto:
    """Constants folded, identities dropped, shapes inferred.

    Raises:
        SimplifyError: onnxsim's own comparison fails, or the ONNX checker refuses the graph.
    """
    try:
        simplified, same = onnxsim.simplify(model)
        if not same:
            raise SimplifyError("onnxsim's result differs from the graph it was given")
        onnx.checker.check_model(simplified, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError, RuntimeError) as error:
        raise SimplifyError(f"onnxsim left a graph that is not valid: {error}") from error
    return onnx.shape_inference.infer_shapes(simplified)
