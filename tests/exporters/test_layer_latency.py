"""A table measured on this machine drives a search in milliseconds."""

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch

from exporters.layer_latency import between, main
from training.checkpoint import save_network
from training.compress.cost import read_latency_table
from training.compress.drc.widths import WidthsOptions
from training.compress.inner_layers import find_inner_layers
from training.networks import DRNConfig, build_network

CONFIG = {"scale": 4, "blocks": 2, "features": 8}


@pytest.mark.slow
def test_the_table_of_a_network_sets_its_budget(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.manual_seed(0)
    network = build_network("drn", DRNConfig(**CONFIG))
    recipe = {"network": {"architecture": "drn", **CONFIG}}
    save_network(tmp_path / "dense.safetensors", network, recipe, {})
    path = tmp_path / "table.json"
    arguments = ["--from", str(tmp_path / "dense.safetensors"), "--output", str(path), "--step", "8", "--rounds", "7"]
    assert main([*arguments, "--threads", "1"]) == 0
    assert "8 layers" in capsys.readouterr().out
    table = json.loads(path.read_text())
    assert table["layers"]["up.1.blocks.0.conv1"] == table["layers"]["up.1.blocks.1.conv1"]
    times_ms = table["layers"]["up.1.upsampler"]
    assert list(times_ms) == ["8", "16", "24", "32"]
    assert 0 < times_ms["8"] < times_ms["32"]
    assert sum(row[max(row, key=int)] for row in table["layers"].values()) < 3 * table["network_ms"]
    inner = find_inner_layers(network)
    settings = WidthsOptions(
        ratio=0.2, multiple=8, budget="ms", latency_table=str(path), factors=(0.25, 0.5, 0.75, 1.0)
    )
    candidates = [settings.candidates(width) for width in inner.widths]
    cost = read_latency_table(path, inner, candidates)
    widths = settings.projected([{width: float(width) for width in row} for row in candidates], cost)
    assert cost.of(widths) <= 0.8 * table["network_ms"]


def test_what_is_measured_is_the_layer_at_another_width() -> None:
    network = build_network("drn", DRNConfig(**CONFIG))
    layer = next(layer for layer in find_inner_layers(network).layers if layer.writer == "up.0.upsampler")
    graph = between(network, layer, 12)
    onnx.checker.check_model(graph, full_check=True)
    shapes = {tensor.name: tuple(tensor.dims) for tensor in graph.graph.initializer}
    assert shapes["written.weight"] == (48, 32, 3, 3)
    assert shapes["y.weight"] == (16, 12, 1, 1)
    session = ort.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    assert session.run(None, {"x": np.zeros((1, 32, 5, 6), np.float32)})[0].shape == (1, 16, 10, 12)
