"""OpenCV's dnn module."""

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.compared_networks import make_noise
from benchmarks.converted_files import unoptimised_onnx
from benchmarks.peers import RunNetwork


def float32(network: str, side_px: int, threads: int) -> RunNetwork:
    cv2.setNumThreads(threads)
    net = cv2.dnn.readNetFromONNX(str(unoptimised_onnx(network)))
    lr = make_noise(network, side_px)

    def call() -> NDArray[np.float32]:
        net.setInput(lr)
        return net.forward()

    return call
