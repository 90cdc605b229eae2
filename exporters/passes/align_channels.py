"""Pass: zero-pad inner channels to a whole number of SIMD blocks, which blocked convolution kernels want.

A convolution with outputs O and inputs I gets the kernel

    W'[o, i] = W[o, i] for o < O and i < I, else 0,      b'[o] = b[o] for o < O, else 0

The channels added are whatever the layers between make of zero, the same everywhere and finite, and every kernel that
reads them has zeros there: the function stays the same, exactly. onnxruntime rounds widths that are multiples of 4 up
by itself, so those are left alone; so are widths of less than half a block, and channels that leave the graph or that a
layer tells apart (Concat, PixelShuffle, Split, grouped convolutions).

In 8 bits onnxruntime takes two to three times as long, and five times the memory, where a convolution does not read a
multiple of 4 channels: the int8 export aligns to 4 whatever pays in float.
"""

from collections import defaultdict

import numpy as np
import onnx
from onnx import numpy_helper

from exporters.graph import Graph, Rewrite, attributes_of, drop_unused
from exporters.graph_analysis import Shape, shapes_at

WIDTH_MULTIPLE = 4
KEEPS_CHANNELS = {"Relu", "LeakyRelu", "Sigmoid", "HardSigmoid", "Clip", "Tanh", "GlobalAveragePool", "ReduceMean"}
ADDS_CHANNELWISE = {"Add", "Sub", "Mul"}
_PROBE_HW = (16, 16)


def align_channels(model: onnx.ModelProto, *, block: int = 16) -> Rewrite:
    """Rewrite `model` in place.

    Args:
        model: to be changed, before `exporters.passes.share_pooling`.
        block: channels that a SIMD register holds: 16 with AVX-512, 8 with AVX2; 4 for 8 bits.
    """
    graph = Graph(model)
    shapes = shapes_at(model, _PROBE_HW)
    spaces = _Spaces(graph, shapes)
    rewrite = Rewrite()
    added: dict[str, int] = {}
    for names in spaces.free():
        width = shapes[names[0]][1]
        if width % WIDTH_MULTIPLE and 2 * width > block:
            added |= dict.fromkeys(names, -width % block)
            rewrite.applied += 1
    for node in graph.proto.node:
        more = added.get(node.output[0], 0)
        if node.op_type == "Conv":
            _pad(graph, node, 1, {0: more, 1: added.get(node.input[0], 0)})
            if len(node.input) > 2:
                _pad(graph, node, 2, {0: more})
        elif node.op_type in ADDS_CHANNELWISE and more:
            for index, name in enumerate(node.input):
                if name in graph.constants and len(shapes[name]) == 4 and shapes[name][1] > 1:
                    _pad(graph, node, index, {1: more})
    drop_unused(model)
    return rewrite


class _Spaces:
    """Tensors that share their channels, and whether the number of channels may change."""

    def __init__(self, graph: Graph, shapes: dict[str, Shape]) -> None:
        self._parent: dict[str, str] = {}
        self._pinned: set[str] = set()
        for node in graph.proto.node:
            dynamic = [name for name in node.input if name and name not in graph.constants]
            output = node.output[0]
            if node.op_type == "Conv" and attributes_of(node).get("group", 1) == 1 and node.input[1] in graph.constants:
                self._root(output)
            elif node.op_type in KEEPS_CHANNELS | ADDS_CHANNELWISE and _same_width([*dynamic, output], shapes):
                for name in dynamic:
                    self._join(name, output)
            else:
                self._pinned.update((*dynamic, *node.output))
        self._pinned |= graph.io_names

    def free(self) -> list[list[str]]:
        """The spaces that may be padded, each as its tensors."""
        pinned = {self._root(name) for name in self._pinned}
        members = defaultdict(list)
        for name in self._parent:
            members[self._root(name)].append(name)
        return [names for root, names in members.items() if root not in pinned]

    def _root(self, name: str) -> str:
        while (parent := self._parent.setdefault(name, name)) != name:
            name = parent
        return name

    def _join(self, one: str, other: str) -> None:
        self._parent[self._root(one)] = self._root(other)


def _same_width(names: list[str], shapes: dict[str, Shape]) -> bool:
    return all(len(shapes.get(name, ())) == 4 for name in names) and len({shapes[name][1] for name in names}) == 1


def _pad(graph: Graph, node: onnx.NodeProto, index: int, more: dict[int, int]) -> None:
    """Append zeros to a constant input, `more[axis]` of them."""
    if not any(more.values()):
        return
    value = numpy_helper.to_array(graph.constants[node.input[index]])
    widths = [(0, more.get(axis, 0)) for axis in range(value.ndim)]
    node.input[index] = graph.add_constant(np.pad(value, widths), f"{node.input[index]}.aligned")
