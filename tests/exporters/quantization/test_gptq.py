"""Kernels in 8 bits: on pictures they err less than weights that are rounded one by one."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from exporters.graph import Graph
from exporters.quantization.gptq import RoundedKernel, gptq_kernels
from exporters.run_graph import Batch
from tests.exporters.quantization.test_insert_qdq import photograph


def convolution(bias: bool) -> onnx.ModelProto:
    """One layer on pictures, without a bias or with a large one."""
    rng = np.random.default_rng(4)
    constants = {"kernel": rng.normal(0, 0.1, (6, 3, 5, 5)), "bias": rng.normal(0, 1e3, 6)}
    names = ["kernel", "bias"] if bias else ["kernel"]
    axes = [1, None, "height", "width"]
    return helper.make_model(
        helper.make_graph(
            [helper.make_node("Conv", ["lr", *names], ["sr"], kernel_shape=[5, 5], pads=[2, 2, 2, 2])],
            "layer",
            [helper.make_tensor_value_info("lr", TensorProto.FLOAT, axes)],
            [helper.make_tensor_value_info("sr", TensorProto.FLOAT, axes)],
            [numpy_helper.from_array(constants[name].astype(np.float32), name) for name in names],
        ),
        opset_imports=[helper.make_opsetid("", 18)],
        ir_version=10,
    )


def error(model: onnx.ModelProto, kernel: np.ndarray, bias: np.ndarray, lr: Batch) -> np.ndarray:
    """(6, windows), against the model's layer."""
    graph = Graph(model)
    exact = graph.constant("bias")
    windows = np.lib.stride_tricks.sliding_window_view(lr[0], (5, 5), axis=(1, 2))
    missed = np.einsum("oihw,iyxhw->oyx", kernel - graph.constant("kernel"), windows)
    return (missed + (bias - (0 if exact is None else exact))[:, None, None]).reshape(6, -1)


@pytest.mark.parametrize("bias", [False, True])
def test_errors_make_up_for_each_other(bias: bool) -> None:
    model = convolution(bias)
    rounded = gptq_kernels(model, ["sr"], [photograph("coffee", 48)], full_range=False)["sr"]
    steps = rounded.steps[:, None, None, None]
    exact = Graph(model).constant("bias")
    one_by_one = np.rint(Graph(model).constant("kernel") / steps) * steps
    elsewhere = photograph("astronaut", 48)
    found = error(model, rounded.values * steps, rounded.bias, elsewhere)
    naive = error(model, one_by_one, np.zeros(6) if exact is None else exact, elsewhere)
    assert np.mean(found**2) < np.mean(naive**2) / 4


def test_a_bias_fits_in_32_bits_beside_a_kernel_of_zero() -> None:
    model = convolution(bias=True)
    kernel = model.graph.initializer[0]
    kernel.CopyFrom(numpy_helper.from_array(np.zeros_like(numpy_helper.to_array(kernel)), "kernel"))
    rounded: RoundedKernel = gptq_kernels(model, ["sr"], [photograph("coffee", 48)], full_range=False)["sr"]
    input_scale = 1 / 255
    assert np.abs(rounded.bias / (rounded.steps * input_scale)).max() < 2**31
    np.testing.assert_allclose(rounded.bias, numpy_helper.to_array(model.graph.initializer[1]))
