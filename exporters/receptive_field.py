"""How far a pixel of the result looks: the halo that a tile needs, by propagating kernel sizes through the graph."""

from math import ceil

import onnx
from onnx import helper

from exporters.shapes import shapes_at

PROBE_PX = 32


def halo_px(model: onnx.ModelProto) -> int:
    """Receptive-field radius in pixels of the input `lr`, rounded up; global pooling is left out of account.

    A layer adds its own reach, (kernel - 1) / 2 * dilation (2 for bicubic Resize), times the size of its input's pixels
    in LR pixels, which shape inference on a picture of 32x32 gives.
    """
    pixel = {
        name: PROBE_PX / shape[2] for name, shape in shapes_at(model, (PROBE_PX, PROBE_PX)).items() if len(shape) == 4
    }
    radius = {"lr": 0.0}
    for node in model.graph.node:
        reach = 0.0
        if node.op_type == "Resize":
            reach = 2.0
        elif "kernel_shape" in (values := {a.name: helper.get_attribute_value(a) for a in node.attribute}):
            dilations = values.get("dilations") or [1, 1]
            reach = max((k - 1) / 2 * d for k, d in zip(values["kernel_shape"], dilations, strict=True))
        sources = [name for name in node.input if name in radius]
        if sources:
            furthest = max(radius[name] + (reach * pixel[name] if reach else 0.0) for name in sources)
            for name in node.output:
                radius[name] = furthest
    return ceil(radius["sr"])
