"""Convolutions of a float graph in 8 bits: pairs of QuantizeLinear and DequantizeLinear, for onnxruntime's kernels.

With a tensor's range [low, high], zero in it, and s = (high - low) / 255, z = round(-low / s), activations become

    q(x) = clip(round(x / s) + z, 0, 255),    x' = s (q - z)

and kernels W'[o] = s_o q with q in -127 .. 127, or -64 .. 64 (`exporters.quantization.gptq`): without VNNI
instructions (i5-class CPUs) two products of 8 bits, 2 * 255 * 127, overflow the 16-bit sum that the CPU takes, and the
result is silently wrong; 2 * 255 * 64 fits.

What a quantised convolution reads and gives is rounded; everything else stays in float. In a residual network the sums
then carry no rounding from block to block: rounded are only the branches, whose ranges are small. A ReLU behind a
quantised convolution goes: what it gives begins at 0, so clipping does its work.

Tensors that are concatenated for nothing but quantised convolutions are put together in 8 bits, in the range of the
whole. What a convolution gives to it alone is rounded just once, to that range, where max(q, z) is its ReLU.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper

from exporters.graph import Graph, attributes_of, drop_unused
from exporters.quantization.activation_ranges import Range
from exporters.quantization.gptq import RoundedKernel

LEVELS = 255
MIN_SCALE = 1e-12
"""For tensors that are zero throughout."""


def insert_qdq(
    model: onnx.ModelProto, kernels: Mapping[str, RoundedKernel], ranges: Mapping[str, Range]
) -> onnx.ModelProto:
    """A copy of `model` with some of its convolutions in 8 bits.

    Args:
        model: a float graph.
        kernels: output tensor of a convolution to quantise (`quantisable`) -> its kernel and bias.
        ranges: tensor name -> lowest and highest value, for inputs and outputs of these convolutions.
    """
    result = onnx.ModelProto()
    result.CopyFrom(model)
    graph = Graph(result)
    writer = _Writer(graph, kernels, ranges)
    for node in graph.proto.node:
        if node.output[0] in kernels:
            writer.quantised(node)
        else:
            writer.as_it_is(node)
    del result.graph.node[:]
    result.graph.node.extend(writer.nodes)
    drop_unused(result)
    return result


def quantisable(graph: Graph, node: onnx.NodeProto) -> bool:
    """Whether `insert_qdq` can do this node: a convolution with a constant kernel and bias."""
    return node.op_type == "Conv" and all(name in graph.constants for name in node.input[1:])


def result_of(graph: Graph, node: onnx.NodeProto) -> str:
    """The output tensor of a quantised convolution: its own, or that of the ReLU that is its only reader."""
    reader = graph.single_consumer(node.output[0])
    result: str = reader.output[0] if reader is not None and reader.op_type == "Relu" else node.output[0]
    return result


def _joined(graph: Graph, kernels: Mapping[str, RoundedKernel]) -> set[str]:
    """Tensors that are concatenated along the channels for quantised convolutions only."""
    return {
        node.output[0]
        for node in graph.proto.node
        if node.op_type == "Concat"
        and attributes_of(node)["axis"] == 1
        and node.output[0] not in graph.io_names
        and all(reader.output[0] in kernels for reader in graph.consumers[node.output[0]])
    }


@dataclass(frozen=True)
class _Grid:
    """The values that 8 bits stand for."""

    scale: np.float32
    zero: np.uint8

    @classmethod
    def of(cls, low: float, high: float) -> "_Grid":
        low, high = min(low, 0.0), max(high, 0.0)
        scale = max((high - low) / LEVELS, MIN_SCALE)
        return cls(np.float32(scale), np.uint8(round(-low / scale)))


class _Writer:
    """The nodes of the new graph, in order."""

    def __init__(self, graph: Graph, kernels: Mapping[str, RoundedKernel], ranges: Mapping[str, Range]) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self._graph = graph
        self._kernels = kernels
        self._ranges = ranges
        self._joined = _joined(graph, kernels)
        self._parameters: dict[str, list[str]] = {}
        """Tensor -> names of its scale and zero."""
        self._rounded: dict[str, str] = {}
        """Tensor -> its rounded form."""
        self._given: dict[str, str] = {}
        """The same for tensors of which there is no other form."""
        self._parts: dict[str, str] = {}
        """Tensor -> its 8 bits in the range of what it is concatenated to."""

    def as_it_is(self, node: onnx.NodeProto) -> None:
        output = node.output[0]
        if output in self._given or output in self._parts:  # a ReLU that its convolution has taken in
            return
        if output in self._joined:
            self._join(node)
            return
        node.input[:] = [self._given.get(name, name) for name in node.input]
        self.nodes.append(node)

    def quantised(self, node: onnx.NodeProto) -> None:
        source, output = node.input[0], node.output[0]
        result = result_of(self._graph, node)
        inputs = [self._round(source), *self._constants(node)]
        raw = f"{output}.raw"
        self.nodes.append(helper.make_node("Conv", inputs, [raw], node.name, **attributes_of(node)))
        reader = self._graph.single_consumer(result)
        if reader is not None and reader.output[0] in self._joined:
            self._parts[result] = self._part(raw, reader.output[0], f"{result}.8bit", rectified=result != output)
        else:
            self._given[result] = self._round(result, raw)

    def _join(self, node: onnx.NodeProto) -> None:
        """A concatenation in 8 bits."""
        whole = node.output[0]
        parts = [
            self._parts.get(name) or self._part(self._given.get(name, name), whole, f"{whole}.{index}")
            for index, name in enumerate(node.input)
        ]
        self.nodes.append(helper.make_node("Concat", parts, [f"{whole}.8bit"], node.name, axis=1))
        self._rounded[whole] = self._from_8_bits(f"{whole}.8bit", whole, f"{whole}.rounded")

    def _part(self, tensor: str, whole: str, name: str, *, rectified: bool = False) -> str:
        """A tensor's 8 bits in the range of the whole."""
        if not rectified:
            return self._to_8_bits(tensor, whole, name)
        signed = self._to_8_bits(tensor, whole, f"{name}.signed")
        self.nodes.append(helper.make_node("Max", [signed, self._grid(whole)[1]], [name]))
        return name

    def _round(self, tensor: str, raw: str | None = None) -> str:
        """The name of the rounded form; of `raw` where the tensor is not to have another."""
        if tensor not in self._rounded:
            rounded = f"{tensor}.rounded" if raw is None or tensor not in self._graph.io_names else tensor
            eight_bits = self._to_8_bits(raw or tensor, tensor, f"{tensor}.8bit")
            self._rounded[tensor] = self._from_8_bits(eight_bits, tensor, rounded)
        return self._rounded[tensor]

    def _to_8_bits(self, tensor: str, like: str, name: str) -> str:
        self.nodes.append(helper.make_node("QuantizeLinear", [tensor, *self._grid(like)], [name]))
        return name

    def _from_8_bits(self, tensor: str, like: str, name: str) -> str:
        self.nodes.append(helper.make_node("DequantizeLinear", [tensor, *self._grid(like)], [name]))
        return name

    def _grid(self, tensor: str) -> list[str]:
        """Names of the scale and zero of a tensor's 8 bits."""
        if tensor not in self._parameters:
            grid = _Grid.of(*self._ranges[tensor])
            self._parameters[tensor] = [
                self._graph.add_constant(np.asarray(grid.scale), f"{tensor}.scale"),
                self._graph.add_constant(np.asarray(grid.zero), f"{tensor}.zero"),
            ]
        return self._parameters[tensor]

    def _constants(self, node: onnx.NodeProto) -> list[str]:
        """Kernel with a scale for each output channel, bias in the unit of the sums, 32 bits."""
        kernel, name = self._kernels[node.output[0]], node.output[0]
        units = kernel.steps * _Grid.of(*self._ranges[node.input[0]]).scale
        limits = np.iinfo(np.int32)
        bias = np.clip(np.rint(kernel.bias / units), limits.min, limits.max).astype(np.int32)
        return [
            self._dequantised(kernel.values, kernel.steps, f"{name}.kernel"),
            self._dequantised(bias, units, f"{name}.bias"),
        ]

    def _dequantised(self, values: NDArray[np.signedinteger], scales: NDArray[np.float64], name: str) -> str:
        inputs = [
            self._graph.add_constant(values, f"{name}.{values.dtype}"),
            self._graph.add_constant(scales.astype(np.float32), f"{name}.scales"),
        ]
        dequantised = f"{name}.dequantised"
        self.nodes.append(helper.make_node("DequantizeLinear", inputs, [dequantised], axis=0))
        return dequantised
