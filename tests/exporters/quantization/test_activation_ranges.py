"""Ranges are told from the outermost values alone, and are those of all values sorted."""

import numpy as np
from onnx import TensorProto, helper

from exporters.quantization.activation_ranges import CUT_SHARE, activation_ranges


def test_ranges_are_those_of_all_values_sorted() -> None:
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3, 320, 320]) for name in ("lr", "sr")]
    graph = helper.make_graph([helper.make_node("Relu", ["lr"], ["sr"])], "relu", ends[:1], ends[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    rng = np.random.default_rng(0)
    crops = [rng.normal(scale=rng.random(), size=(1, 3, 320, 320)).astype(np.float32) for _ in range(24)]
    ranges = activation_ranges(model, ["lr", "sr"], crops)
    values = np.sort(np.concatenate(crops), axis=None)
    cut = int(values.size * CUT_SHARE)
    assert cut > 1
    assert ranges == {"lr": (values[cut], values[-1 - cut]), "sr": (0, values[-1 - cut])}
