"""Tiny real networks, real photographs, and the real command."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import skimage.data
from onnx import TensorProto, helper, numpy_helper

import sr_infer
from sr_infer.model_card import METADATA_KEY, ModelCard

REPOSITORY = Path(sr_infer.__file__).parents[1]


class Graph:
    """An ONNX graph that grows by one node at a time."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng(7)
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def constant(self, value: np.ndarray) -> str:
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(value, name))
        return name

    def node(self, kind: str, *inputs: str, **attributes: Any) -> str:
        name = f"n{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def convolution(self, x: str, c_in: int, c_out: int, kernel: int) -> str:
        weight = self.rng.normal(0, 0.7 / (kernel * np.sqrt(c_in)), (c_out, c_in, kernel, kernel)).astype(np.float32)
        pad = [kernel // 2] * 4
        return self.node("Conv", x, self.constant(weight), kernel_shape=[kernel, kernel], pads=pad)


def enlarged_input(graph: Graph, x: str, channels: int, scale: int) -> str:
    """Nearest-neighbour enlargement, so that the network's output resembles its input."""
    scales = graph.constant(np.array([1, 1, scale, scale], np.float32))
    return graph.node("Resize", x, "", scales, mode="nearest", coordinate_transformation_mode="asymmetric")


@pytest.fixture
def make_network(tmp_path: Path) -> Callable[..., Path]:
    """A network file: three 3x3 convolutions (receptive-field radius 3), pixel shuffle, and a skip around them."""

    def make(
        name: str = "network.onnx",
        *,
        scale: int = 2,
        channels: int = 3,
        attention: bool = False,
        shares_averages: bool = False,
        card: ModelCard | str | None = "right",
        **card_changes: Any,
    ) -> Path:
        graph = Graph()
        width = 8
        features = graph.node("Relu", graph.convolution("lr", channels, width, 3))
        features = graph.node("Relu", graph.convolution(features, width, width, 3))
        inputs, outputs = [("lr", channels)], [("sr", channels)]
        overridable: list[onnx.ValueInfoProto] = []
        if attention:
            averages = graph.node("GlobalAveragePool", features)
            if shares_averages:
                graph.weights.append(numpy_helper.from_array(np.zeros((1, width, 1, 1), np.float32), "pooled"))
                graph.weights.append(numpy_helper.from_array(np.array(False), "use_pooled"))
                overridable = [
                    helper.make_tensor_value_info("pooled", TensorProto.FLOAT, [1, width, 1, 1]),
                    helper.make_tensor_value_info("use_pooled", TensorProto.BOOL, []),
                ]
                graph.nodes.append(helper.make_node("Identity", [averages], ["pooled_out"]))
                averages = graph.node("Where", "use_pooled", "pooled", averages)
            strong = graph.node("Mul", averages, graph.constant(np.float32(40)))
            gate = graph.node("Sigmoid", graph.convolution(strong, width, width, 1))
            features = graph.node("Mul", features, gate)
        tail = graph.convolution(features, width, channels * scale * scale, 3)
        tail = graph.node("DepthToSpace", tail, blocksize=scale, mode="CRD")
        skip = enlarged_input(graph, "lr", channels, scale)
        graph.nodes.append(helper.make_node("Add", [tail, skip], ["sr"]))

        def images(pairs: list[tuple[str, int]], sides: str) -> list[onnx.ValueInfoProto]:
            return [
                helper.make_tensor_value_info(n, TensorProto.FLOAT, ["batch", c, f"{sides}_h", f"{sides}_w"])
                for n, c in pairs
            ]

        results = images(outputs, "sr")
        if shares_averages:
            results.append(helper.make_tensor_value_info("pooled_out", TensorProto.FLOAT, ["batch", width, 1, 1]))
        model = helper.make_model(
            helper.make_graph(graph.nodes, "tiny", images(inputs, "lr") + overridable, results, graph.weights),
            opset_imports=[helper.make_opsetid("", 17)],
            ir_version=8,
        )
        if card == "right":
            facts: dict[str, Any] = {
                "scale": scale,
                "architecture": "tiny",
                "colour": "Y" if channels == 1 else "RGB",
                "halo_px": 3,
                "halo_8bit_px": 3,
                "global_pooling": attention,
                "bytes_per_px": 400.0,
            }
            card = ModelCard(**(facts | card_changes))
        if isinstance(card, ModelCard):
            helper.set_model_props(model, {METADATA_KEY: card.to_json()})
        path = tmp_path / name
        onnx.save(model, path)
        return path

    return make


@pytest.fixture
def network(make_network: Callable[..., Path]) -> Path:
    """RGB, 2x, with a card."""
    return make_network()


@pytest.fixture(scope="session")
def astronaut() -> np.ndarray:
    """A photograph, (128, 160, 3) uint8: the face in NASA's portrait of Eileen Collins."""
    return np.ascontiguousarray(skimage.data.astronaut()[60:188, 150:310])


@pytest.fixture
def command(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[bytes]]:
    """Run `sr-infer` with arguments in an empty folder."""

    def run(*arguments: object, stdin: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [sys.executable, "-m", "sr_infer", *map(str, arguments)],
            cwd=tmp_path,
            env={"PYTHONPATH": str(REPOSITORY), "PATH": ""},
            input=stdin,
            capture_output=True,
            timeout=60,
            check=False,
        )

    return run
