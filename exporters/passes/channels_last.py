"""Pass for int8: a float convolution or a pixel shuffle passes its result to a sum with channels last.

onnxruntime runs 8-bit convolutions channels last, and moves the Transposes around them through what lies between until
they meet and vanish; but through a sum or a concatenation only if all of its inputs come transposed. The result of a
float convolution does not, nor that of a pixel shuffle. Where a trunk of sums begins with one, as behind a head that
stays in float, the whole trunk stays channels first, and every layer is transposed to it and back.

    x = T'(R(T(x))),    T to channels last, T' back, R a Reshape to the shape that there is

is x, bit for bit: T' is what the runtime wants to see, and R keeps it from seeing that T undoes it.
"""

import numpy as np
import onnx
from onnx import helper

from exporters.graph import Graph, Rewrite

MEETS = {"Add", "Concat"}
SAME_SHAPE = np.array([0, 0, 0, -1], np.int64)
TO_LAST = (0, 2, 3, 1)
TO_FIRST = (0, 3, 1, 2)


def channels_last(model: onnx.ModelProto) -> Rewrite:
    """Rewrite a graph with 8-bit convolutions in place. Tensors that no sum or concatenation reads stay as they are."""
    rewrite = Rewrite()
    for name in _tensors_to_transpose(Graph(model)):
        graph = Graph(model)
        node = graph.producer[name]
        raw, last, opaque = (f"{name}.{form}" for form in ("raw", "last", "opaque"))
        node.output[0] = raw
        same_shape = graph.add_constant(SAME_SHAPE, f"{name}.same_shape")
        graph.replace(
            node,
            node,
            helper.make_node("Transpose", [raw], [last], perm=TO_LAST),
            helper.make_node("Reshape", [last, same_shape], [opaque]),
            helper.make_node("Transpose", [opaque], [name], perm=TO_FIRST),
        )
        rewrite.applied += 1
    return rewrite


def _tensors_to_transpose(graph: Graph) -> list[str]:
    """Outputs of float convolutions that sums and concatenations read, and of pixel shuffles that are then rounded."""
    handed_over = []
    for node in graph.proto.node:
        meetings = _meetings(graph, node.output[0])
        if node.op_type == "DepthToSpace":
            meetings = [meeting for meeting in meetings if _is_rounded(graph, meeting.output[0])]
        elif node.op_type != "Conv" or node.input[1] not in graph.constants:
            continue
        if meetings:
            handed_over.append(node.output[0])
    return handed_over


def _meetings(graph: Graph, name: str) -> list[onnx.NodeProto]:
    """Sums and concatenations that read this, as it is or once channel attention has weighed it."""
    readers = graph.consumers.get(name, [])
    weighed = [after for node in readers if node.op_type == "Mul" for after in graph.consumers.get(node.output[0], [])]
    return [reader for reader in (*readers, *weighed) if reader.op_type in MEETS]


def _is_rounded(graph: Graph, name: str) -> bool:
    return any(reader.op_type == "QuantizeLinear" for reader in graph.consumers.get(name, []))
