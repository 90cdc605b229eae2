"""torch: as it is, with channels last, and compiled."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.compared_networks import noise
from benchmarks.torch_networks import network_of

Call = Callable[[], NDArray[np.float32]]


def eager(subject: str, side_px: int, threads: int) -> Call:
    torch.set_num_threads(threads)
    return _call(network_of(subject), torch.from_numpy(noise(subject, side_px)))


def channels_last(subject: str, side_px: int, threads: int) -> Call:
    torch.set_num_threads(threads)
    network = network_of(subject).to(memory_format=torch.channels_last)
    lr = torch.from_numpy(noise(subject, side_px)).to(memory_format=torch.channels_last)
    return _call(network, lr)


def compiled(subject: str, side_px: int, threads: int) -> Call:
    torch.set_num_threads(threads)
    network = torch.compile(network_of(subject), dynamic=False)
    return _call(network, torch.from_numpy(noise(subject, side_px)))


def _call(network: Callable[[torch.Tensor], torch.Tensor], lr: torch.Tensor) -> Call:
    def call() -> NDArray[np.float32]:
        with torch.inference_mode():
            return network(lr).contiguous().numpy()

    return call
