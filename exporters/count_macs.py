"""Parameters and multiply-accumulates, counted on a graph."""

import math
from collections.abc import Mapping

import onnx

from exporters.shapes import Shape, shapes_at

PROBE_PX = 96
_KERNELS = {"Conv", "ConvTranspose", "Gemm", "MatMul"}


def macs_per_px(model: onnx.ModelProto) -> int:
    """Multiply-accumulates of convolutions and matrix products per pixel of a 96x96 input; biases are not counted."""
    shapes = shapes_at(model, (PROBE_PX, PROBE_PX))
    return round(sum(macs_of(node, shapes) for node in model.graph.node) / PROBE_PX**2)


def macs_of(node: onnx.NodeProto, shapes: Mapping[str, Shape]) -> int:
    """Multiply-accumulates of one node with tensors of these shapes, 0 for all but convolutions and matrix products."""
    if node.op_type not in _KERNELS or node.output[0] not in shapes:
        return 0
    if node.op_type == "Conv":
        return math.prod(shapes[node.output[0]]) * math.prod(shapes[node.input[1]][1:])
    if node.op_type == "ConvTranspose":
        return math.prod(shapes[node.input[0]]) * math.prod(shapes[node.input[1]][1:])
    return math.prod(shapes[node.output[0]]) * shapes[node.input[0]][-1]


def parameters(model: onnx.ModelProto) -> int:
    """Numbers in the kernels and biases that the graph computes with, zeros of alignment included."""
    kernels = {name for node in model.graph.node if node.op_type in _KERNELS | {"PRelu"} for name in node.input[1:]}
    return sum(math.prod(tensor.dims) for tensor in model.graph.initializer if tensor.name in kernels)
