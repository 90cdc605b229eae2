"""Pass for int8: spatial means of 8-bit tensors are summed as integers.

Channel attention averages whole feature maps, which onnxruntime would transpose and store in float for that alone. With
8 bits q that stand for s (q - z), W columns and ones 1,

    mean = s / W * mean over rows of (1 (q - z)),

an integer product for each row that reads nothing but the 8 bits, channels last as the runtime keeps them.
"""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from exporters.graph import Graph, Rewrite, drop_unused

ROWS = np.array([1], np.int64)
TO_LAST = (0, 2, 3, 1)


def integer_mean(model: onnx.ModelProto) -> Rewrite:
    """Rewrite the means of a graph with 8-bit convolutions in place."""
    rewrite, graph = Rewrite(), Graph(model)
    for mean in list(model.graph.node):
        dequantised = graph.producer.get(mean.input[0]) if graph.is_spatial_mean(mean) else None
        if dequantised is not None and dequantised.op_type == "DequantizeLinear":
            eight_bits, scale, zero = dequantised.input
            graph.replace(mean, *_integer_mean_nodes(graph, eight_bits, scale, zero, mean.output[0]))
            rewrite.applied += 1
    drop_unused(model)
    return rewrite


def _integer_mean_nodes(graph: Graph, eight_bits: str, scale: str, zero: str, mean: str) -> list[onnx.NodeProto]:
    last, columns, ones, sums, in_float, rows, first, count, step = (
        f"{mean}.{part}" for part in ("last", "columns", "ones", "sums", "float", "rows", "first", "count", "step")
    )
    nothing = graph.add_constant(np.array(0, np.uint8), f"{mean}.zero")
    axis = graph.add_constant(ROWS, f"{mean}.axis")
    shape = graph.add_constant(np.array([0, -1, 1, 1], np.int64), f"{mean}.shape")
    one = numpy_helper.from_array(np.ones(1, np.uint8))
    return [
        helper.make_node("Transpose", [eight_bits], [last], perm=TO_LAST),
        helper.make_node("Shape", [last], [columns], start=2, end=3),
        helper.make_node("ConstantOfShape", [columns], [ones], value=one),
        helper.make_node("MatMulInteger", [ones, last, nothing, zero], [sums]),
        helper.make_node("Cast", [sums], [in_float], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", [in_float, axis], [rows]),
        helper.make_node("Reshape", [rows, shape], [first]),
        helper.make_node("Cast", [columns], [count], to=TensorProto.FLOAT),
        helper.make_node("Div", [scale, count], [step]),
        helper.make_node("Mul", [first, step], [mean]),
    ]
