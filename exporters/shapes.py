"""The shapes of a graph's tensors for one size of its input."""

import onnx

Shape = tuple[int, ...]


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
