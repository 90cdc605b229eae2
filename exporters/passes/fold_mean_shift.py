"""Pass: the colour transform in front of the first convolution becomes one addition, right on the border too.

Networks that speak 0..255 around a mean begin with `P(x) = A x + b` on every pixel: A is the value range, b the mean's
negative. The convolution W behind it pads with zeros *after* the shift, so b cannot go into its bias (the ring outside
would be taken for the mean). What is exact:

    W * pad(A x + b) = (W A) * pad(x + A^-1 b)

A goes into the kernel, and `x + A^-1 b` is left of P: an addition instead of a convolution, none where b is zero. A
Resize between the two changes nothing: interpolation is linear and leaves a constant as it is.

The shift behind the last convolution needs no pass of its own: `exporters.passes.merge_sequential` and
`exporters.passes.fold_pixel_shuffle` take it in.
"""

import numpy as np
import onnx
import torch
from onnx import helper

from exporters.graph import Graph, Rewrite, drop_unused
from training.networks.convolution_algebra import Convolution, sequential

MAX_CONDITION = 1e4
"""Largest condition number of A; above it, inverting A loses digits."""


def fold_mean_shift(model: onnx.ModelProto) -> Rewrite:
    """Rewrite `model` in place where a 1x1 convolution of the picture feeds one convolution alone.

    Refused where A is not square or nearly singular, such as a network that begins with a luma transform.
    """
    rewrite = Rewrite()
    graph = Graph(model)
    for shift in [node for node in graph.proto.node if node.input[:1] == ["lr"]]:
        transform = graph.convolution(shift)
        behind = graph.single_consumer(shift.output[0])
        if behind is not None and behind.op_type == "Resize":
            behind = graph.single_consumer(behind.output[0])
        head = graph.convolution(behind)
        if transform is None or not transform.is_pointwise or head is None or behind is None:
            continue
        mix = transform.weight[:, :, 0, 0].double()
        if mix.shape[0] != mix.shape[1] or torch.linalg.cond(mix) > MAX_CONDITION:
            rewrite.skipped.append(f"{shift.name}: the colour transform cannot be inverted")
            continue
        scaling = Convolution(transform.weight, torch.zeros_like(transform.bias))
        graph.set_convolution(behind, sequential(scaling, head))
        offset = torch.linalg.solve(mix, transform.bias.double()).float().numpy().reshape(1, -1, 1, 1)
        if np.any(offset):
            name = graph.add_constant(offset, "mean_shift")
            graph.replace(shift, helper.make_node("Add", ["lr", name], shift.output, "shift the mean"))
        else:
            graph.bypass(shift)
        rewrite.applied += 1
        graph = Graph(model)
    drop_unused(model)
    return rewrite
