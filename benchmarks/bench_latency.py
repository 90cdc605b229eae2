"""Latency of every shipped model on 96x96 LR px, through the runtime and with the same weights through plain torch."""

from pathlib import Path

import numpy as np
import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from sr_infer import ShippedModel, Upscaler, available_models
from training.checkpoint import load_network

LR_PX = 96
WEIGHTS = Path(__file__).parent.parent / "weights"


@pytest.fixture(params=available_models(), ids=lambda model: model.name)
def model(request: pytest.FixtureRequest) -> ShippedModel:
    return request.param


@pytest.fixture
def lr() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (LR_PX, LR_PX, 3), np.uint8)


def bench_runtime(benchmark: BenchmarkFixture, model: ShippedModel, lr: np.ndarray) -> None:
    upscaler = Upscaler(model.name)
    result = benchmark(upscaler, lr)
    assert result.shape == (LR_PX * model.card.scale, LR_PX * model.card.scale, 3)


def bench_torch(benchmark: BenchmarkFixture, model: ShippedModel, lr: np.ndarray) -> None:
    _, config, network, _ = load_network(WEIGHTS / f"{model.name}.safetensors")
    batch = torch.from_numpy(lr.transpose(2, 0, 1).copy())[None].float() * (config.value_range / 255)
    with torch.inference_mode():
        result = benchmark(network, batch)
    assert result.shape[2:] == (LR_PX * model.card.scale, LR_PX * model.card.scale)
