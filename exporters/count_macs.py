"""Parameters and multiply-accumulates, counted on a graph."""

import math

import onnx

from exporters.shapes import shapes_at

PROBE_PX = 96
_KERNELS = {"Conv", "ConvTranspose", "Gemm", "MatMul", "PRelu"}


def macs_per_px(model: onnx.ModelProto) -> int:
    """Multiply-accumulates of convolutions and matrix products per pixel of a 96x96 input; biases are not counted."""
    shapes = shapes_at(model, (PROBE_PX, PROBE_PX))
    total = 0
    for node in model.graph.node:
        if node.op_type not in ("Conv", "ConvTranspose", "Gemm", "MatMul") or node.output[0] not in shapes:
            continue
        output, kernel = shapes[node.output[0]], shapes[node.input[1]]
        if node.op_type == "Conv":
            total += math.prod(output) * math.prod(kernel[1:])
        elif node.op_type == "ConvTranspose":
            total += math.prod(shapes[node.input[0]]) * math.prod(kernel[1:])
        else:
            total += math.prod(output) * shapes[node.input[0]][-1]
    return round(total / PROBE_PX**2)


def parameters(model: onnx.ModelProto) -> int:
    """Numbers in the kernels and biases that the graph computes with, zeros of alignment included."""
    kernels = {name for node in model.graph.node if node.op_type in _KERNELS for name in node.input[1:]}
    return sum(math.prod(tensor.dims) for tensor in model.graph.initializer if tensor.name in kernels)
