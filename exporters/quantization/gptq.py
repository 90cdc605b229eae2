"""Round kernels to 8 bits so that rounding errors cancel (GPTQ), and correct the mean error in the biases.

Rounded one by one to multiples of a step, the weights w of an output channel err by e, and its sums by e' x, whose mean
square is e' H e with H the covariance of the windows x that the kernel reads. Neighbouring pixels and channels are so
alike that rounding some weights up where others went down removes most of it. As in GPTQ (Frantar et al., ICLR 2023,
alg. 1): weights are rounded in turn, those first that vary most, and each error is spread on the weights still to come,

    w_k -= e_j U_jk / U_jj for k > j,    U' U = (H + lambda I)^-1, U upper triangular

A constant part of x needs no weights: the bias takes up e' mean(x).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray

from exporters.graph import Graph, attributes_of
from exporters.run_graph import Batch, intermediate_tensors

WINDOWS = 512
"""Largest number of windows from each crop."""
DAMPING = 0.01
"""Lambda, as a share of the mean variance."""
BIAS_BITS = 20
"""Steps are no smaller than the bias over 2^20, so that it fits in 32 bits, if the kernel is (nearly) zero."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class RoundedKernel:
    """`values * steps[:, None, None, None]` stands for a kernel (outputs, inputs, height, width)."""

    values: NDArray[np.int8]
    steps: Floats
    bias: Floats


def gptq_kernels(
    model: onnx.ModelProto, layers: Collection[str], crops: Sequence[Batch], *, full_range: bool
) -> dict[str, RoundedKernel]:
    """Round the kernels of convolutions; the result is keyed by the name of their output.

    Args:
        model: a float graph.
        layers: output tensors of the convolutions (`exporters.quantization.insert_qdq.quantisable`).
        crops: LR crops on which the error is minimised.
        full_range: -127 .. 127 instead of -64 .. 64.
    """
    graph = Graph(model)
    nodes = [graph.producer[name] for name in layers]
    readers: dict[tuple[str, tuple[int, ...]], list[onnx.NodeProto]] = {}
    for node in nodes:
        readers.setdefault((node.input[0], tuple(attributes_of(node)["kernel_shape"])), []).append(node)
    moments = {read: _Moments() for read in readers}
    for tensors in intermediate_tensors(model, sorted({name for name, _ in readers}), crops):
        for (name, size_hw), seen in moments.items():
            seen.add(_windows(tensors[name], size_hw))
    rounded = {}
    for read, nodes in readers.items():
        statistics = _Statistics.of(moments.pop(read))
        for node in nodes:
            rounded[node.output[0]] = _round_kernel(graph, node, statistics, largest=127 if full_range else 64)
    return rounded


class _Moments:
    """Sums over windows."""

    def __init__(self) -> None:
        self.count = 0
        self.total: Floats = np.zeros(())
        self.squares: Floats = np.zeros(())

    def add(self, windows: Batch) -> None:
        """(count, weights)."""
        values = windows.astype(np.float64)
        self.count += len(values)
        self.total = self.total + values.sum(axis=0)
        self.squares = self.squares + values.T @ values


@dataclass(frozen=True)
class _Statistics:
    """Covariance of the windows that kernels read."""

    mean: Floats
    order: NDArray[np.intp]
    """Weights, those first that are multiplied by what varies most."""
    upper: Floats
    """U of the module's docstring, in this order."""

    @classmethod
    def of(cls, moments: _Moments) -> "_Statistics":
        mean: Floats = moments.total / moments.count
        covariance = moments.squares / moments.count - np.outer(mean, mean)
        variances = covariance.diagonal()
        order = np.argsort(-variances)
        damping = DAMPING * float(variances.mean()) or 1.0
        damped = covariance[np.ix_(order, order)] + damping * np.eye(len(order))
        upper: Floats = np.linalg.cholesky(np.linalg.inv(damped)).T
        return cls(mean, order, upper)


def _windows(tensor: Batch, size_hw: tuple[int, ...]) -> Batch:
    """(count, inputs * height * width), evenly spaced, of those that lie inside of the picture; if none do, of all."""
    if any(side < length for side, length in zip(tensor.shape[2:], size_hw, strict=True)):
        tensor = np.pad(tensor, ((0, 0), (0, 0), *((length // 2, length // 2) for length in size_hw)))
    every = np.lib.stride_tricks.sliding_window_view(tensor[0], size_hw, axis=(1, 2))
    step = max(1, round((every.shape[1] * every.shape[2] / WINDOWS) ** 0.5))
    some = every[:, ::step, ::step].transpose(1, 2, 0, 3, 4)
    return some.reshape(some.shape[0] * some.shape[1], -1)


def _round_kernel(graph: Graph, node: onnx.NodeProto, statistics: _Statistics, *, largest: int) -> RoundedKernel:
    kernel, bias = _constants(graph, node)
    weights = kernel.reshape(len(kernel), -1)
    steps = np.maximum(np.abs(weights).max(axis=1) / largest, np.abs(bias) / 2**BIAS_BITS)
    steps[steps == 0] = 1
    if weights.shape[1] != len(statistics.mean):  # grouped
        return RoundedKernel(np.rint(kernel / steps[:, None, None, None]).astype(np.int8), steps, bias)
    values = _round_in_turn(weights / steps[:, None], statistics, largest)
    missed = (weights - values * steps[:, None]) @ statistics.mean
    return RoundedKernel(values.reshape(kernel.shape).astype(np.int8), steps, bias + missed)


def _constants(graph: Graph, node: onnx.NodeProto) -> tuple[Floats, Floats]:
    kernel, *biases = (graph.constant(name) for name in node.input[1:])
    assert kernel is not None
    bias = biases[0] if biases and biases[0] is not None else np.zeros(len(kernel))
    return kernel.astype(np.float64), bias.astype(np.float64)


def _round_in_turn(weights: Floats, statistics: _Statistics, largest: int) -> Floats:
    """(outputs, n) in steps, to whole ones."""
    upper = statistics.upper
    left = weights[:, statistics.order]
    for index in range(len(upper)):
        rounded = np.clip(np.rint(left[:, index]), -largest, largest)
        error = (left[:, index] - rounded) / upper[index, index]
        left[:, index] = rounded
        left[:, index + 1 :] -= error[:, None] * upper[index, index + 1 :]
    values = np.empty_like(left)
    values[:, statistics.order] = left
    return values
