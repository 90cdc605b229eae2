"""Means of 8-bit feature maps, summed as integers: what float gives, without maps in float."""

import numpy as np
import onnx

from exporters.passes.integer_mean import integer_mean
from exporters.passes.share_pooling import share_pooling
from exporters.run_graph import session_for
from tests.exporters.quantization.test_insert_qdq import float_graph, in_8_bits, photograph


def test_means_are_those_of_the_float_sums() -> None:
    """Of the first block: behind it, what differs by a rounding error may be rounded to another of the 8 bits."""
    single = onnx.ModelProto()
    single.CopyFrom(float_graph("drn-x4"))
    share_pooling(single)
    before, after = in_8_bits(single), onnx.ModelProto()
    after.CopyFrom(before)
    means = sum(node.op_type == "ReduceMean" for node in before.graph.node)
    assert integer_mean(after).applied == means > 0
    onnx.checker.check_model(after, full_check=True)
    for size_hw in [(1, 1), (3, 8), (40, 31)]:
        lr = photograph("astronaut", 40)[:, :, : size_hw[0], : size_hw[1]].copy()
        batch = np.concatenate([lr, lr[:, ::-1]])
        (expected, pooled), (result, summed) = (
            session_for(model).run(["sr", "pooled_out"], {"lr": batch}) for model in (before, after)
        )
        assert summed.shape == pooled.shape
        np.testing.assert_allclose(summed[:, 0], pooled[:, 0], atol=1e-5 * np.abs(pooled).max())
        assert np.sqrt(np.mean((result - expected) ** 2)) < 2 / 255
