"""Convolutions in 8 bits: which are rounded, by how much, and what stays in float."""

from collections import Counter
from collections.abc import Collection
from functools import cache

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, numpy_helper
from skimage import data
from torch import nn

from exporters.graph import Graph
from exporters.passes.share_pooling import share_pooling
from exporters.passes.simplify import simplify
from exporters.quantization.activation_ranges import activation_ranges
from exporters.quantization.gptq import gptq_kernels
from exporters.quantization.insert_qdq import insert_qdq, quantisable, result_of
from exporters.run_graph import session_for
from exporters.trace import UnitRange, trace
from tests.exporters.tiny import NETWORKS
from training.networks import build_network, read_config


@cache
def float_graph(name: str) -> onnx.ModelProto:
    torch.manual_seed(3)
    architecture, config = read_config(NETWORKS[name], where="test")
    network = build_network(architecture, config)
    with torch.no_grad():
        for layer in network.modules():
            if isinstance(layer, nn.Conv2d):
                layer.weight.mul_(2)
    return simplify(trace(UnitRange.of(network)))


def photograph(name: str, side_px: int) -> np.ndarray:
    pixels = getattr(data, name)()[60 : 60 + side_px, 80 : 80 + side_px]
    return np.ascontiguousarray(pixels.transpose(2, 0, 1)[None], np.float32) / np.float32(255)


def in_8_bits(model: onnx.ModelProto, *, full_range: bool = False, in_float: Collection[str] = ()) -> onnx.ModelProto:
    """Every convolution of the picture but those that give `in_float`, calibrated on another photograph."""
    graph = Graph(model)
    nodes = [node for node in graph.proto.node if quantisable(graph, node) and "squeeze" not in node.input[1]]
    nodes = [node for node in nodes if "excite" not in node.input[1] and node.output[0] not in in_float]
    names = sorted({name for node in nodes for name in (node.input[0], result_of(graph, node))})
    crops = [photograph("coffee", 48)]
    kernels = gptq_kernels(model, [node.output[0] for node in nodes], crops, full_range=full_range)
    return insert_qdq(model, kernels, activation_ranges(model, names, crops))


@pytest.fixture(scope="module", params=["srpn-lite-x2", "plain-x3", "drn-x4"])
def pair(request: pytest.FixtureRequest) -> tuple[onnx.ModelProto, onnx.ModelProto]:
    """A float graph and the same in 8 bits."""
    single = float_graph(request.param)
    return single, in_8_bits(single)


def run(model: onnx.ModelProto, lr: np.ndarray) -> np.ndarray:
    return session_for(model).run(["sr"], {"lr": lr})[0]


def test_result_is_close_on_another_photograph(pair: tuple[onnx.ModelProto, onnx.ModelProto]) -> None:
    single, small = pair
    onnx.checker.check_model(small, full_check=True)
    lr = photograph("astronaut", 40)
    expected = run(single, lr)
    error = run(small, lr) - expected
    assert 0 < np.sqrt(np.mean(error**2)) < 0.15 * np.std(expected)


def test_sums_stay_in_float_and_activations_go(pair: tuple[onnx.ModelProto, onnx.ModelProto]) -> None:
    before, after = (Counter(node.op_type for node in model.graph.node) for model in pair)
    assert after["Add"] == before["Add"]
    assert after["Conv"] == before["Conv"]
    assert after["Relu"] == after["ReduceMean"], "those of channel attention alone"


@pytest.mark.parametrize(("full_range", "largest"), [(False, 64), (True, 127)])
def test_kernels_use_seven_bits_or_eight(full_range: bool, largest: int) -> None:
    small = in_8_bits(float_graph("plain-x3"), full_range=full_range)
    kernels = [t for t in small.graph.initializer if t.data_type == TensorProto.INT8]
    assert [int(np.abs(numpy_helper.to_array(kernel).astype(int)).max()) for kernel in kernels] == [largest] * len(
        kernels
    )
    assert len(kernels) >= 3


def test_layers_that_are_not_chosen_keep_their_function() -> None:
    single = float_graph("srpn-lite-x2")
    assert run(insert_qdq(single, {}, {}), photograph("astronaut", 24)) == pytest.approx(
        run(single, photograph("astronaut", 24)), abs=1e-6
    )


def test_tiles_equal_the_whole_with_shared_averages() -> None:
    small = in_8_bits(float_graph("drn-x4"))
    assert share_pooling(small).applied == 2
    session = session_for(small)
    lr = photograph("astronaut", 64)
    whole, pooled = session.run(["sr", "pooled_out"], {"lr": lr})
    tile = session.run(["sr"], {"lr": lr[:, :, :48, :], "pooled": pooled, "use_pooled": np.array(True)})[0]
    np.testing.assert_array_equal(tile[:, :, : 4 * 16], whole[:, :, : 4 * 16])
    own = session.run(["sr"], {"lr": lr[:, :, :48, :]})[0]
    assert np.abs(own - whole[:, :, : 4 * 48])[:, :, : 4 * 16].max() > 0
