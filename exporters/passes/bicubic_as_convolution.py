"""Pass: bicubic enlargement by a whole number as a convolution and PixelShuffle, which blocked CPU kernels run faster.

Enlarging by s puts s^2 new pixels into every old one. The one at offset p (0 .. s - 1) lies at t = (p + 0.5) / s - 0.5
from the old pixel's centre, so with |t| < 0.5 its four neighbours are among the five pixels k = -2 .. 2, with weights

    w(k - t),   w(x) = (a + 2)|x|^3 - (a + 3)|x|^2 + 1         for |x| <= 1
                       a|x|^3 - 5a|x|^2 + 8a|x| - 4a           for 1 < |x| < 2,   a = -0.75 in torch

(Keys 1981). Both axes together are the outer product: a 5x5 kernel for each of the s^2 offsets. Beyond the picture the
outermost pixel is repeated, which `Pad` in its edge mode does.
"""

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper

from exporters.graph import Graph, Rewrite, attributes_of, drop_unused
from exporters.graph_analysis import shapes_at

REACH_PX = 2


def bicubic_as_convolution(model: onnx.ModelProto) -> Rewrite:
    """Rewrite `model` in place. Refused for enlargements by a fraction, and where Resize does something else."""
    rewrite = Rewrite()
    for resize in [node for node in model.graph.node if node.op_type == "Resize"]:
        values = attributes_of(resize)
        if values.get("mode") != b"cubic":
            continue
        graph = Graph(model)
        scales = graph.constant(resize.input[2]) if len(resize.input) > 2 else None
        factor = _whole_factor(scales)
        usual = (
            values.get("coordinate_transformation_mode") in (b"half_pixel", b"pytorch_half_pixel")
            and not values.get("exclude_outside")
            and not values.get("antialias")
        )
        if factor is None or not usual:
            rewrite.skipped.append(f"{resize.output[0]}: not an enlargement of both sides by one whole number")
            continue
        channels = shapes_at(model, (8, 8))[resize.input[0]][1]
        name = resize.output[0]
        pads = graph.add_constant(np.array([0, 0, REACH_PX, REACH_PX] * 2, np.int64), f"{name}.pads")
        weight = graph.add_constant(_kernel(channels, factor, values["cubic_coeff_a"]), f"{name}.weight")
        side = 2 * REACH_PX + 1
        graph.replace(
            resize,
            helper.make_node("Pad", [resize.input[0], pads], [f"{name}.padded"], f"{name}: repeat edge", mode="edge"),
            helper.make_node("Conv", [f"{name}.padded", weight], [f"{name}.offsets"], name, kernel_shape=[side, side]),
            helper.make_node("DepthToSpace", [f"{name}.offsets"], [name], f"{name}: s", blocksize=factor, mode="CRD"),
        )
        rewrite.applied += 1
        rewrite.until = name
    drop_unused(model)
    return rewrite


def _whole_factor(scales: NDArray[np.float32] | None) -> int | None:
    if scales is None or scales.shape != (4,):
        return None
    factor = round(float(scales[2]))
    return factor if factor > 1 and np.array_equal(scales, [1, 1, factor, factor]) else None


def _kernel(channels: int, factor: int, a: float) -> NDArray[np.float32]:
    """(channels * factor^2, channels, 5, 5): every channel by itself, offsets in PixelShuffle's order."""
    offsets = (np.arange(factor) + 0.5) / factor - 0.5
    distance = np.abs(np.arange(-REACH_PX, REACH_PX + 1) - offsets[:, None])
    near = (a + 2) * distance**3 - (a + 3) * distance**2 + 1
    far = a * distance**3 - 5 * a * distance**2 + 8 * a * distance - 4 * a
    line = np.where(distance <= 1, near, np.where(distance < 2, far, 0))
    square = np.einsum("yk,xl->yxkl", line, line).reshape(factor**2, *[line.shape[1]] * 2)
    kernel = np.zeros((channels, factor**2, channels, *square.shape[1:]))
    for channel in range(channels):
        kernel[channel, :, channel] = square
    return kernel.reshape(channels * factor**2, channels, *square.shape[1:]).astype(np.float32)
