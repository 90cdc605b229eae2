"""Trunks of sums around 8-bit convolutions: onnxruntime does not transpose every layer to them and back."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from exporters.passes.channels_last import channels_last
from exporters.passes.fold_pixel_shuffle import fold_pixel_shuffle
from exporters.run_graph import session_for
from tests.exporters.passes.test_passes import rewritten, simplified
from tests.exporters.quantization.test_float_trunk import carried, carried_graph
from tests.exporters.quantization.test_insert_qdq import in_8_bits, photograph
from training.networks import DRNConfig


def transposes_left(model: onnx.ModelProto, path: Path) -> int:
    """By the runtime."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.optimized_model_filepath = str(path)
    onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return sum(node.op_type == "Transpose" for node in onnx.load(path).graph.node)


@pytest.mark.parametrize("in_float", [1, 2])
def test_trunk_behind_a_float_head_stays_channels_last(in_float: int, tmp_path: Path) -> None:
    head_and_change = next(node for node in carried_graph().graph.node if node.op_type == "Add").input
    before = in_8_bits(carried_graph(), in_float=head_and_change[:in_float])
    after = onnx.ModelProto()
    after.CopyFrom(before)
    assert channels_last(after).applied == in_float
    onnx.checker.check_model(after, full_check=True)
    for size_hw in [(1, 1), (2, 5), (40, 31)]:
        lr = photograph("astronaut", 40)[:, :, : size_hw[0], : size_hw[1]].copy()
        outputs = [session_for(model).run(["sr"], {"lr": lr})[0] for model in (before, after)]
        np.testing.assert_array_equal(*outputs)
    layers = len(carried().to_trunk)
    to_and_from_float = 2 * (in_float - 1)
    assert transposes_left(before, tmp_path / "before.onnx") >= layers
    assert transposes_left(after, tmp_path / "after.onnx") < layers + to_and_from_float


@pytest.mark.parametrize("in_float", [0, 1])
def test_trunk_behind_a_pixel_shuffle_stays_channels_last(in_float: int, tmp_path: Path) -> None:
    """Also if the last convolution of a block, which channel attention weighs, stays in float."""
    folded, _ = rewritten(simplified("drn", DRNConfig(scale=4, blocks=4, features=8)), fold_pixel_shuffle)
    weighed = [node.input[0] for node in folded.graph.node if node.op_type == "Mul"]
    before = in_8_bits(folded, in_float=weighed[:in_float])
    after = onnx.ModelProto()
    after.CopyFrom(before)
    assert channels_last(after).applied == 1 + in_float, "not the shuffle before the last layer"
    lr = photograph("astronaut", 24)
    outputs = [session_for(model).run(["sr"], {"lr": lr})[0] for model in (before, after)]
    np.testing.assert_array_equal(*outputs)
    left = [transposes_left(model, tmp_path / "optimised.onnx") for model in (before, after)]
    assert left[1] <= left[0] - 4, "one for each block of the stage, at least"
