"""Shapes, parameters, multiply-accumulates and the receptive field, read from a graph without running it."""

import math
from collections.abc import Mapping

import onnx
from onnx import helper

Shape = tuple[int, ...]

PROBE_PX = 96
_FIELD_PROBE_PX = 32
_KERNELS = {"Conv", "ConvTranspose", "Gemm", "MatMul"}
_SLIDES = {"Conv", "AveragePool", "MaxPool"}
_CHANGES_BORDER = {"Pad", "Slice"}


def shapes_at(model: onnx.ModelProto, size_hw: tuple[int, int]) -> dict[str, Shape]:
    """Tensor name -> shape, for an input `lr` of one picture of this height and width in pixels.

    Tensors whose shape ONNX cannot infer, or only in part, are left out.
    """
    fixed = onnx.ModelProto()
    fixed.CopyFrom(model)
    for axis, side in zip((0, 2, 3), (1, *size_hw), strict=True):
        fixed.graph.input[0].type.tensor_type.shape.dim[axis].dim_value = side
    del fixed.graph.value_info[:]
    for output in fixed.graph.output:
        output.type.tensor_type.ClearField("shape")
    graph = onnx.shape_inference.infer_shapes(fixed, data_prop=True).graph
    shapes = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    for info in (*graph.input, *graph.value_info, *graph.output):
        axes = info.type.tensor_type.shape.dim
        if all(axis.HasField("dim_value") for axis in axes):
            shapes[info.name] = tuple(axis.dim_value for axis in axes)
    return shapes


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


def halo_px(model: onnx.ModelProto) -> int:
    """Receptive-field radius in pixels of the input `lr`, rounded up. Global pooling does not count.

    A layer adds its own reach, (kernel - 1) / 2 * dilation (2 for a bicubic Resize), times the side of its input's
    pixels, measured in LR pixels.
    """
    shapes = shapes_at(model, (_FIELD_PROBE_PX, _FIELD_PROBE_PX))
    radius, pixel = {"lr": 0.0}, {"lr": 1.0}
    for node in model.graph.node:
        sources = [name for name in node.input if name in radius]
        if not sources:
            continue
        furthest = max(radius[name] + _reach(node) * pixel[name] for name in sources)
        side = max(pixel[name] * _shrinkage(node, shapes.get(name, ()), shapes) for name in sources)
        radius |= dict.fromkeys(node.output, furthest)
        pixel |= dict.fromkeys(node.output, side)
    return math.ceil(radius["sr"])


def _reach(node: onnx.NodeProto) -> float:
    """How many pixels of its input a layer sees on each side of the middle one."""
    if node.op_type == "Resize":
        return 2.0
    values = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
    kernel = values.get("kernel_shape", [1])
    dilations = values.get("dilations") or [1] * len(kernel)
    return max(float((k - 1) / 2 * d) for k, d in zip(kernel, dilations, strict=True))


def _shrinkage(node: onnx.NodeProto, source: Shape, shapes: Mapping[str, Shape]) -> float:
    """How many times larger a pixel of a layer's output is than a pixel of its input.

    A shape tells it only of layers that cover the same area: Pad, Slice and unpadded kernels add or cut a border.
    """
    result = shapes.get(node.output[0], ())
    if node.op_type in _CHANGES_BORDER or len(source) != 4 or len(result) != 4 or 1 in (source[2], result[2]):
        return 1.0
    strides = {a.name: helper.get_attribute_value(a) for a in node.attribute}.get("strides", [1])
    if node.op_type == "ConvTranspose":
        return 1 / float(strides[0])
    if node.op_type in _SLIDES:
        return float(strides[0])
    return source[2] / result[2]
