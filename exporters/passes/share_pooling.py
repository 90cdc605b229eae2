"""Pass: make the statistics that channel attention pools an input, so that tiles can share the whole picture's.

Every spatial mean `m_i` becomes `Where(use_pooled, pooled_i, m_i)`, and all `m_i` side by side leave as `pooled_out`:

    pooled      float32 (1, C_total, 1, 1), default 0       optional input
    use_pooled  bool (), default false                      optional input
    pooled_out  float32 (batch, C_total, 1, 1)              output

Both inputs have a default initialiser, so who feeds `lr` alone gets the ordinary network. With them fed, the network is
purely convolutional. To be run after onnxsim, which removes such inputs.
"""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from exporters.graph import Graph, Rewrite


def share_pooling(model: onnx.ModelProto) -> Rewrite:
    """Rewrite `model` in place; every pooled layer counts. Without any, the graph stays as it is."""
    graph, seen = model.graph, Graph(model)
    means = [node for node in graph.node if seen.is_spatial_mean(node)]
    if not means:
        return Rewrite()
    channels = _channels(model)
    widths = [channels[node.output[0]] for node in means]
    total = sum(widths)

    graph.input.append(helper.make_tensor_value_info("pooled", TensorProto.FLOAT, (1, total, 1, 1)))
    graph.input.append(helper.make_tensor_value_info("use_pooled", TensorProto.BOOL, ()))
    graph.initializer.append(numpy_helper.from_array(np.zeros((1, total, 1, 1), np.float32), "pooled"))
    graph.initializer.append(numpy_helper.from_array(np.array(False), "use_pooled"))
    graph.initializer.append(numpy_helper.from_array(np.array(widths, np.int64), "pooled_widths"))

    given = [f"pooled_{index}" for index in range(len(means))]
    nodes = [helper.make_node("Split", ["pooled", "pooled_widths"], given, name="split pooled", axis=1)]
    measured: list[str] = []
    for node in graph.node:
        nodes.append(node)
        if node in means:
            index, name = len(measured), node.output[0]
            measured.append(f"{name}_measured")
            node.output[0] = measured[-1]
            inputs = ["use_pooled", given[index], measured[-1]]
            nodes.append(helper.make_node("Where", inputs, [name], name=f"choose pooled {index}"))
    nodes.append(helper.make_node("Concat", measured, ["pooled_out"], name="join pooled", axis=1))
    del graph.node[:]
    graph.node.extend(nodes)
    graph.output.append(helper.make_tensor_value_info("pooled_out", TensorProto.FLOAT, ("batch", total, 1, 1)))
    return Rewrite(applied=len(means))


def _channels(model: onnx.ModelProto) -> dict[str, int]:
    inferred = onnx.shape_inference.infer_shapes(model)
    return {
        info.name: info.type.tensor_type.shape.dim[1].dim_value
        for info in inferred.graph.value_info
        if len(info.type.tensor_type.shape.dim) == 4
    }
