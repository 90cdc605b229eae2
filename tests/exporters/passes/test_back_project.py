"""The step at the end of the graph is what `imresize` computes, up to the border."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from exporters.passes.back_project import MIN_SIZE_PX, back_project
from exporters.run_graph import session_for
from sr_infer.resize import imresize


def nearest(scale: int, channels: int) -> onnx.ModelProto:
    """A network that repeats every pixel."""
    scales = numpy_helper.from_array(np.array([1, 1, scale, scale], np.float32), "scales")
    graph = helper.make_graph(
        [helper.make_node("Resize", ["lr", "", "scales"], ["sr"], mode="nearest")],
        "nearest",
        [helper.make_tensor_value_info("lr", TensorProto.FLOAT, ["batch", channels, "h", "w"])],
        [helper.make_tensor_value_info("sr", TensorProto.FLOAT, ["batch", channels, None, None])],
        [scales],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


@pytest.mark.parametrize(("scale", "channels"), [(2, 3), (3, 3), (4, 3), (8, 3), (4, 1)])
@pytest.mark.parametrize("size_hw", [(MIN_SIZE_PX, MIN_SIZE_PX), (3, 5), (24, 17)])
def test_step_is_that_of_imresize(scale: int, channels: int, size_hw: tuple[int, int]) -> None:
    model = back_project(nearest(scale, channels), scale=scale)
    onnx.checker.check_model(model, full_check=True)
    lr = np.random.default_rng(0).random((1, channels, *size_hw), np.float32)
    (found,) = session_for(model).run(["sr"], {"lr": lr})
    small = lr[0].transpose(1, 2, 0).astype(np.float64)
    large = small.repeat(scale, axis=0).repeat(scale, axis=1)
    expected = large + imresize(small - imresize(large, size_hw), large.shape[:2])
    np.testing.assert_allclose(found[0].transpose(1, 2, 0), expected, atol=1e-5)


def test_lr_picture_comes_back_more_exactly() -> None:
    """A photograph enlarged by repetition and made smaller differs from itself by less than half as much."""
    from skimage import data

    lr = data.coffee()[100:164, 100:180].astype(np.float32) / 255
    before = lr.repeat(4, axis=0).repeat(4, axis=1)
    batch = np.ascontiguousarray(lr.transpose(2, 0, 1)[None])
    after = session_for(back_project(nearest(4, 3), scale=4)).run(["sr"], {"lr": batch})[0][0].transpose(1, 2, 0)
    missed = [float(np.abs(lr - imresize(sr, lr.shape[:2])).mean()) for sr in (before, after)]
    assert missed[1] < missed[0] / 2
