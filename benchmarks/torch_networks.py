"""A subject of `benchmarks.compared_networks` in torch, and what is made of it."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmarks.alternatives import alternative
from benchmarks.compared_networks import noise, weights_of
from exporters.trace import UnitRange, trace
from training.checkpoint import load_network


def network_of(subject: str) -> UnitRange:
    """A network that takes and gives [0, 1].

    Raises:
        ModelNotFoundError: there are no weights of that name.
    """
    weights = weights_of(subject)
    if weights is None:
        name, _, scale = subject.rpartition(" x")
        return UnitRange(alternative(name, int(scale)), scale=int(scale), value_range=1.0).eval()
    return UnitRange.of(load_network(weights)[2])


def torch_result(subject: str, side_px: int) -> NDArray[np.float32]:
    """(1, C, scale side, scale side) for the subject's noise."""
    with torch.inference_mode():
        return network_of(subject)(torch.from_numpy(noise(subject, side_px))).numpy()


def traced(subject: str) -> bytes:
    """An ONNX file without any of our passes."""
    channels = noise(subject, 1).shape[1]
    return trace(network_of(subject), channels=channels).SerializeToString()


def convert_to_ncnn(subject: str, side_px: int, folder: Path) -> None:
    """Leave `network.ncnn.param` and `network.ncnn.bin` in the folder, among pnnx's other files."""
    import pnnx

    example = torch.from_numpy(noise(subject, side_px))
    pnnx.export(_Plain(network_of(subject)), str(folder.resolve() / "network.pt"), example, fp16=False)


class _Plain(nn.Module):
    """Without the attributes that TorchScript cannot hold."""

    def __init__(self, unit: UnitRange) -> None:
        super().__init__()
        self.network, self.value_range = unit.network, unit.value_range

    def forward(self, lr: Tensor) -> Tensor:
        return self.network(lr * self.value_range) * (1 / self.value_range)
