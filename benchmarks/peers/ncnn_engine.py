"""ncnn with Winograd convolutions, on files from pnnx."""

import ncnn
import numpy as np
from numpy.typing import NDArray

from benchmarks.compared_networks import make_noise
from benchmarks.converted_files import ncnn_files
from benchmarks.peers import RunNetwork


def float32(network: str, side_px: int, threads: int) -> RunNetwork:
    return _prepare(network, side_px, threads, half=False)


def half(network: str, side_px: int, threads: int) -> RunNetwork:
    """Store and compute in fp16 or bf16 if ncnn supports it on the CPU."""
    return _prepare(network, side_px, threads, half=True)


def _prepare(network: str, side_px: int, threads: int, *, half: bool) -> RunNetwork:
    net = ncnn.Net()
    net.opt.num_threads = threads
    net.opt.use_vulkan_compute = False
    net.opt.use_winograd_convolution = True
    net.opt.use_fp16_packed = net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = half
    net.opt.use_bf16_storage = half
    param, weights = ncnn_files(network, side_px)
    if net.load_param(str(param)) or net.load_model(str(weights)):
        raise RuntimeError(f"ncnn cannot load {param}; delete its folder to convert the network again")
    pixels = make_noise(network, side_px)[0]
    lr = ncnn.Mat(pixels).clone()

    def call() -> NDArray[np.float32]:
        extractor = net.create_extractor()
        extractor.input("in0", lr)
        status, sr = extractor.extract("out0")
        if status:
            raise RuntimeError(f"expected status 0 of ncnn's extractor, got {status}")
        return np.array(sr)[None]

    return call
