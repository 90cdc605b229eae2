"""Pass: a 1x1 convolution padded with its own bias goes into the convolution behind it, which then pads with zeros.

The branches of ECB blocks (Zhang, Zeng, Zhang, "Edge-oriented Convolution Block for Real-time Super Resolution on
Mobile Devices", ACM MM 2021) are a 1x1 convolution y = W1 * x + b1 and behind it a 3x3 one, learnt, or Sobel's or
Laplace's filter for each channel. In between y gets a ring of b1 around it. That is what the 1x1 convolution makes of
a ring of zeros around x, so that on the border, too,

    W2 * ring_b1(W1 * x + b1) + b2 = W * ring_0(x) + b,    W and b of `convolution_algebra.sequential`

The ring is traced as Pad and four assignments, ScatterND between Transposes. That they write the four sides is not read
from the graph: the verification of every pass sees it.
"""

import math

import numpy as np
import onnx
from numpy.typing import NDArray

from exporters.graph import Graph, Rewrite, attributes_of, drop_unused
from training.networks.convolution_algebra import sequential

SIDES = 4
RING = [0, 0, 1, 1, 0, 0, 1, 1]


def fold_padded_bias(model: onnx.ModelProto) -> Rewrite:
    """Rewrite `model` in place. Refused for rings of something else, and where it costs more and nothing is added."""
    graph = Graph(model)
    rewrite = Rewrite()
    for node in list(graph.proto.node):
        second = graph.unpadded(node)
        pad, ring = _ring(graph, node.input[0]) if second is not None else (None, [])
        pointwise = graph.producer.get(pad.input[0]) if pad is not None else None
        first = graph.convolution(pointwise)
        if second is None or pointwise is None or first is None or not first.is_pointwise:
            continue
        if len(ring) != SIDES or not all(_repeats(graph, name, first.bias.numpy()) for name in ring):
            rewrite.skipped.append(f"{node.output[0]}: it is padded with something else than the bias")
            continue
        merged = sequential(first, second)
        weights = [math.prod(graph.constants[conv.input[1]].dims) for conv in (pointwise, node)]
        costs = merged.weight.numel() / sum(weights)
        reader = graph.single_consumer(node.output[0])
        if costs > 1 and (reader is None or reader.op_type != "Add"):
            rewrite.skipped.append(f"{node.output[0]}: the one kernel costs {costs:.2f}x")
            continue
        node.input[0] = pointwise.input[0]
        graph.set_convolution(node, merged)
        rewrite.applied += 1
    drop_unused(model)
    return rewrite


def _ring(graph: Graph, name: str) -> tuple[onnx.NodeProto | None, list[str]]:
    """The Pad of one zero on each side that a tensor was made from by assignments, and what these assign."""
    assigned = []
    node = graph.producer.get(name)
    while node is not None and node.op_type in ("Transpose", "ScatterND"):
        if node.op_type == "ScatterND":
            assigned.append(node.input[2])
        node = graph.producer.get(node.input[0])
    if node is None or node.op_type != "Pad" or attributes_of(node).get("mode", b"constant") != b"constant":
        return None, []
    pads, *value = (graph.constant(name) for name in node.input[1:3])
    zero = all(constant is not None and not constant.any() for constant in value)
    return (node, assigned) if pads is not None and pads.tolist() == RING and zero else (None, [])


def _repeats(graph: Graph, name: str, bias: NDArray[np.float32]) -> bool:
    """Whether a tensor is made of the bias alone."""
    while (node := graph.producer.get(name)) is not None and node.op_type in ("Transpose", "Expand", "Reshape"):
        name = node.input[0]
    values = graph.constant(name)
    return values is not None and np.array_equal(values.ravel(), bias)
