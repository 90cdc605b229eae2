"""An ONNX graph by tensor name: the questions that passes ask, and the few ways in which they change it."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from training.networks.convolution_algebra import Convolution, depthwise


@dataclass
class Rewrite:
    """The result of a pass on one graph."""

    applied: int = 0
    """How many places were rewritten."""
    skipped: list[str] = field(default_factory=list)
    """Places that were not rewritten, each with the reason."""
    until: str | None = None
    """A tensor of both graphs, from which on the graphs are equal; None if the pass knows none."""


class Graph:
    """A snapshot of a model's graph, by tensor name. Build a new one after changing the model."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.proto = model.graph
        self.producer = {name: node for node in self.proto.node for name in node.output}
        self.constants = {tensor.name: tensor for tensor in self.proto.initializer}
        self.io_names = {value.name for value in (*self.proto.input, *self.proto.output)}
        self.consumers: dict[str, list[onnx.NodeProto]] = {}
        for node in self.proto.node:
            for name in node.input:
                self.consumers.setdefault(name, []).append(node)

    def single_consumer(self, name: str) -> onnx.NodeProto | None:
        """The only node that reads a tensor; None if several do, or if the tensor is an output of the graph."""
        readers = self.consumers.get(name, [])
        return readers[0] if len(readers) == 1 and name not in self.io_names else None

    def constant(self, name: str) -> NDArray[Any] | None:
        """The value of an initialiser, None for anything else."""
        return numpy_helper.to_array(self.constants[name]) if name in self.constants else None

    def convolution(self, node: onnx.NodeProto | None) -> Convolution | None:
        """The kernel of a Conv that keeps the picture's size with zero padding; None for anything else."""
        if node is None or node.op_type != "Conv" or not self._keeps_size(node):
            return None
        return self._kernel(node)

    def unpadded(self, node: onnx.NodeProto) -> Convolution | None:
        """The kernel of a Conv without padding, dense also where it filters every channel by itself; else None."""
        if node.op_type != "Conv" or not self._is_usual(node) or any(attributes_of(node).get("pads", [])):
            return None
        kernel, groups = self._kernel(node), attributes_of(node).get("group", 1)
        if kernel is None or groups == 1:
            return kernel
        return depthwise(kernel.weight[:, 0], kernel.bias) if kernel.inputs == 1 and kernel.outputs == groups else None

    def _kernel(self, node: onnx.NodeProto) -> Convolution | None:
        weight = self.constant(node.input[1])
        bias = self.constant(node.input[2]) if len(node.input) > 2 else np.zeros(0, np.float32)
        if weight is None or bias is None:
            return None
        kernel = torch.from_numpy(weight.copy())
        return Convolution(kernel, torch.from_numpy(bias.copy()) if bias.size else torch.zeros(kernel.shape[0]))

    def is_spatial_mean(self, node: onnx.NodeProto) -> bool:
        """Whether a node averages over height and width, keeping both as 1."""
        if node.op_type == "GlobalAveragePool":
            return True
        if node.op_type != "ReduceMean" or len(node.input) < 2 or not attributes_of(node).get("keepdims", 1):
            return False
        axes = self.constant(node.input[1])
        return axes is not None and sorted(int(axis) % 4 for axis in axes) == [2, 3]

    def set_convolution(self, node: onnx.NodeProto, convolution: Convolution) -> None:
        """Give a Conv another kernel, size and bias; other nodes that read the same tensors keep them."""
        height, width = convolution.weight.shape[2:]
        attributes = attributes_of(node) | {
            "kernel_shape": [height, width],
            "pads": [height // 2, width // 2] * 2,
            "group": 1,
        }
        weight = self.add_constant(convolution.weight.numpy(), f"{node.output[0]}.weight")
        bias = self.add_constant(convolution.bias.numpy(), f"{node.output[0]}.bias")
        node.CopyFrom(helper.make_node("Conv", [node.input[0], weight, bias], node.output, node.name, **attributes))

    def add_constant(self, value: NDArray[Any], name: str) -> str:
        """Add an initialiser and return its name, which is made unique."""
        taken = {*self.constants, *self.producer, *self.io_names}
        unique = name
        while unique in taken:
            unique += "_"
        tensor = numpy_helper.from_array(np.asarray(value, order="C"), unique)
        self.proto.initializer.append(tensor)
        self.constants[unique] = tensor
        return unique

    def replace(self, old: onnx.NodeProto, *new: onnx.NodeProto) -> None:
        """Replace a node by others; the last one writes the old node's output."""
        at = next(index for index, node in enumerate(self.proto.node) if node is old)
        new = tuple(onnx.NodeProto.FromString(node.SerializeToString()) for node in new)  # `old` may be one of them
        del self.proto.node[at]
        for index, node in enumerate(new, start=at):
            self.proto.node.insert(index, node)

    def bypass(self, node: onnx.NodeProto) -> None:
        """Remove a node and connect its input to the readers of its output."""
        source, name = node.input[0], node.output[0]
        if name in {value.name for value in self.proto.output}:
            self._rename(source, name)
        else:
            for reader in self.consumers.get(name, []):
                reader.input[:] = [source if item == name else item for item in reader.input]
        self.replace(node)

    def _rename(self, old: str, new: str) -> None:
        maker = self.producer[old]
        maker.output[:] = [new if item == old else item for item in maker.output]
        for reader in self.consumers.get(old, []):
            reader.input[:] = [new if item == old else item for item in reader.input]

    def _keeps_size(self, node: onnx.NodeProto) -> bool:
        values = attributes_of(node)
        pads = [side // 2 for side in values.get("kernel_shape", ())] * 2
        return self._is_usual(node) and values.get("group", 1) == 1 and list(values.get("pads", [0] * 4)) == pads

    def _is_usual(self, node: onnx.NodeProto) -> bool:
        values = attributes_of(node)
        kernel = values.get("kernel_shape", ())
        return (
            values.get("auto_pad", b"NOTSET") == b"NOTSET"
            and all(step == 1 for name in ("strides", "dilations") for step in values.get(name, [1]))
            and len(kernel) == 2
            and all(side % 2 == 1 for side in kernel)
        )


def attributes_of(node: onnx.NodeProto) -> dict[str, Any]:
    """A node's attributes as Python values."""
    return {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}


def drop_unused(model: onnx.ModelProto) -> None:
    """Remove nodes without effect on an output, and initialisers that nothing reads, except optional inputs."""
    used = {value.name for value in model.graph.output}
    nodes = []
    for node in reversed(model.graph.node):
        if used.intersection(node.output):
            used.update(node.input)
            nodes.append(node)
    used.update(value.name for value in model.graph.input)
    tensors = [tensor for tensor in model.graph.initializer if tensor.name in used]
    del model.graph.node[:]
    model.graph.node.extend(reversed(nodes))
    del model.graph.initializer[:]
    model.graph.initializer.extend(tensors)
