"""Other ways to run a network on a CPU: a module for each engine, imported only in the process that is measured.

Each offers cases of `benchmarks.timing.interleaved`: case(network, side_px, threads) returns a call that upscales the
noise of the network and returns (1, C, H, W) float32.
"""

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RunNetwork = Callable[[], NDArray[np.float32]]
"""Upscale the prepared input; returns (1, C, H, W)."""


@dataclass(frozen=True)
class Peer:
    """One row of the comparison."""

    name: str
    case: str
    needs: tuple[str, ...] = ()
    """Modules beyond the ones that the project itself needs."""
    slow_to_prepare: bool = False
    """Left out of the race on one thread."""
    exact: bool = True
    """Computes in float32; otherwise in what the engine chooses by itself or may choose."""

    @property
    def missing(self) -> list[str]:
        """What has to be installed first."""
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
"""Rows of what is not exact are shown, and never count as the best peer."""
