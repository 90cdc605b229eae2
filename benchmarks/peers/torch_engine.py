"""torch in eager mode, with channels last, and compiled."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.compared_networks import make_noise
from benchmarks.peers import RunNetwork
from benchmarks.torch_networks import build_unit_range


def eager(network: str, side_px: int, threads: int) -> RunNetwork:
    torch.set_num_threads(threads)
    return _prepare(build_unit_range(network), torch.from_numpy(make_noise(network, side_px)))


def channels_last(network: str, side_px: int, threads: int) -> RunNetwork:
    torch.set_num_threads(threads)
    unit = build_unit_range(network).to(memory_format=torch.channels_last)
    lr = torch.from_numpy(make_noise(network, side_px)).to(memory_format=torch.channels_last)
    return _prepare(unit, lr)


def compiled(network: str, side_px: int, threads: int) -> RunNetwork:
    torch.set_num_threads(threads)
    compiled_network = torch.compile(build_unit_range(network), dynamic=False)
    return _prepare(compiled_network, torch.from_numpy(make_noise(network, side_px)))


def _prepare(network: Callable[[torch.Tensor], torch.Tensor], lr: torch.Tensor) -> RunNetwork:
    def call() -> NDArray[np.float32]:
        with torch.inference_mode():
            return network(lr).contiguous().numpy()

    return call
