"""Build, run and convert the networks of `benchmarks.compared_networks` with torch."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmarks.alternatives import build_alternative
from benchmarks.compared_networks import find_weights, make_noise
from exporters.trace import UnitRange, trace
from training.checkpoint import load_network


def build_unit_range(name: str) -> UnitRange:
    """Build the network with input and output in [0, 1].

    Raises:
        ModelNotFoundError: there are no weights with that name.
    """
    weights = find_weights(name)
    if weights is None:
        architecture, _, scale = name.rpartition(" x")
        return UnitRange(build_alternative(architecture, int(scale)), scale=int(scale), value_range=1.0).eval()
    return UnitRange.of(load_network(weights)[2])


def run_torch(name: str, side_px: int) -> NDArray[np.float32]:
    """Upscale the network's noise; returns (1, C, scale side, scale side)."""
    with torch.inference_mode():
        return build_unit_range(name)(torch.from_numpy(make_noise(name, side_px))).numpy()


def export_unoptimised(name: str) -> bytes:
    """Export the network without our passes; returns the bytes of an ONNX file."""
    channels = make_noise(name, 1).shape[1]
    return trace(build_unit_range(name), channels=channels).SerializeToString()


def convert_to_ncnn(name: str, side_px: int, folder: Path) -> None:
    """Write `network.ncnn.param` and `network.ncnn.bin` into the folder. pnnx writes other files there, too."""
    import pnnx

    example = torch.from_numpy(make_noise(name, side_px))
    pnnx.export(_Plain(build_unit_range(name)), str(folder.resolve() / "network.pt"), example, fp16=False)


class _Plain(nn.Module):
    """A network without the attributes that TorchScript cannot hold."""

    def __init__(self, unit: UnitRange) -> None:
        super().__init__()
        self.network, self.value_range = unit.network, unit.value_range

    def forward(self, lr: Tensor) -> Tensor:
        return self.network(lr * self.value_range) * (1 / self.value_range)
