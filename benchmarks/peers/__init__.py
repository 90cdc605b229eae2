"""Other engines that run a network on a CPU. Each has a module that only the measured process imports.

A module holds cases of `benchmarks.timing.interleaved`: case(network, side_px, threads) returns a function that
upscales the network's noise.
"""

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RunNetwork = Callable[[], NDArray[np.float32]]
"""A function that upscales the prepared input and returns (1, C, H, W)."""


@dataclass(frozen=True)
class Peer:
    """One engine with one configuration: a row of the comparison."""

    name: str
    case: str
    needs: tuple[str, ...] = ()
    """Modules that the project itself does not need."""
    slow_to_prepare: bool = False
    """Whether the comparison on one thread leaves the engine out."""
    exact: bool = True
    """Whether the engine must compute in float32; otherwise it may choose a lower precision."""

    @property
    def missing(self) -> list[str]:
        """Needed modules that are not installed."""
        return [module for module in self.needs if importlib.util.find_spec(module) is None]


PEERS = (
    Peer("torch", "benchmarks.peers.torch_engine:eager"),
    Peer("torch channels_last", "benchmarks.peers.torch_engine:channels_last"),
    Peer("torch.compile", "benchmarks.peers.torch_engine:compiled", slow_to_prepare=True),
    Peer("onnxruntime, unoptimised export", "benchmarks.peers.onnxruntime_engine:unoptimised"),
    Peer("OpenVINO", "benchmarks.peers.openvino_engine:float32", ("openvino",)),
    Peer("OpenVINO as it comes", "benchmarks.peers.openvino_engine:default", ("openvino",), exact=False),
    Peer("OpenVINO, our int8 file", "benchmarks.peers.openvino_engine:int8", ("openvino",), exact=False),
    Peer("ncnn", "benchmarks.peers.ncnn_engine:float32", ("ncnn", "pnnx")),
    Peer("ncnn fp16 and bf16 storage", "benchmarks.peers.ncnn_engine:half", ("ncnn", "pnnx"), exact=False),
    Peer("OpenCV dnn", "benchmarks.peers.opencv_engine:float32", ("cv2",)),
)
"""All compared engines. One that is not exact has a row, but never counts as the best peer."""
