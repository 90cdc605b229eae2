"""Weights in half precision: only where nothing is lost."""

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from exporters.passes.store_fp16_weights import store_fp16_weights


def graph(weights: np.ndarray) -> onnx.ModelProto:
    """`sr = lr + weights`."""
    shape = list(weights.shape)
    return helper.make_model(
        helper.make_graph(
            [helper.make_node("Add", ["lr", "w"], ["sr"])],
            "add",
            [helper.make_tensor_value_info("lr", TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info("sr", TensorProto.FLOAT, shape)],
            [numpy_helper.from_array(weights, "w")],
        ),
        opset_imports=[helper.make_opsetid("", 18)],
        ir_version=10,
    )


def run(model: onnx.ModelProto, weights: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(["sr"], {"lr": np.zeros_like(weights)})[0]


def test_exact_halves_are_stored_and_come_back_bit_for_bit() -> None:
    weights = np.random.default_rng(0).normal(size=(40, 40)).astype(np.float16).astype(np.float32)
    model = graph(weights)
    before = model.ByteSize()
    assert store_fp16_weights(model).applied == 1
    assert model.ByteSize() < 0.6 * before
    np.testing.assert_array_equal(run(model, weights), weights)


def test_what_half_cannot_hold_stays_as_it_is() -> None:
    halves = np.random.default_rng(0).normal(size=(40, 40)).astype(np.float16).astype(np.float32)
    for value in (np.float32(0.1), np.float32(1e6), np.float32(1e-12), np.float32(np.nan)):
        weights = halves.copy()
        weights[3, 4] = value
        model = graph(weights)
        assert store_fp16_weights(model).applied == 0
        np.testing.assert_array_equal(run(model, weights), weights)


def test_small_tensors_are_left_alone() -> None:
    assert store_fp16_weights(graph(np.ones((5, 5), np.float32))).applied == 0
