"""One step of back-projection at the end of the network: y + up(lr - down(y)).

Down and up are MATLAB's bicubic by the scale, as `sr_infer.resize.imresize` does them: what was enlarged then gives the
LR picture again when it is made smaller, up to what one step leaves. `down` is two convolutions with a stride, rows and
then columns; `up` is a 5x5 convolution and PixelShuffle. Beyond the picture MATLAB mirrors with the edge repeated,
which ONNX does not know: the outermost rows or columns are sliced off in reverse order and put in front and behind.

With a picture whose sides are shorter than the mirrored part there would be too little to slice: pictures of 2x2 LR
pixels are the smallest.
"""

from dataclasses import replace

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper

from exporters.graph import Graph
from exporters.verify import Batch, Reference
from sr_infer.resize import imresize

HALO_PX = 4
"""By which it enlarges the receptive-field radius: two LR pixels of `down`, two of `up`."""
MIN_SIZE_PX = 2
UP_REACH_PX = 2
FAR_PX = 6
"""A place so far, in LR pixels, from the border that MATLAB's mirroring does not reach it."""


def back_project(model: onnx.ModelProto, *, scale: int) -> onnx.ModelProto:
    """A copy of a graph from `lr` to `sr`, both in [0, 1], that ends with the step."""
    result = onnx.ModelProto()
    result.CopyFrom(model)
    graph = Graph(result)
    channels = result.graph.input[0].type.tensor_type.shape.dim[1].dim_value
    for node in result.graph.node:
        node.output[:] = ["enlarged" if name == "sr" else name for name in node.output]
        node.input[:] = ["enlarged" if name == "sr" else name for name in node.input]
    line, before = _down_kernel(scale)
    after = len(line) - scale - before
    nodes = []
    tensor = "enlarged"
    for axis, name in ((2, "rows"), (3, "columns")):
        nodes += _mirrored(graph, tensor, axis, before, after, f"back.{name}")
        shape = (1, 1, -1, 1) if axis == 2 else (1, 1, 1, -1)
        kernel = graph.add_constant(np.repeat(line.reshape(shape), channels, axis=0), f"back.down.{name}")
        strides = [scale, 1] if axis == 2 else [1, scale]
        size = [len(line), 1] if axis == 2 else [1, len(line)]
        nodes.append(
            helper.make_node(
                "Conv",
                [f"back.{name}.mirrored", kernel],
                [f"back.smaller.{name}"],
                f"back-projection: down along {name}",
                kernel_shape=size,
                strides=strides,
                group=channels,
            )
        )
        tensor = f"back.smaller.{name}"
    side = 2 * UP_REACH_PX + 1
    up = graph.add_constant(np.tile(_up_kernel(scale), (channels, 1, 1, 1)), "back.up")
    nodes += [
        helper.make_node("Sub", ["lr", tensor], ["back.missed"], "back-projection: what was missed"),
        *_mirrored(graph, "back.missed", 2, UP_REACH_PX, UP_REACH_PX, "back.missed.rows"),
        *_mirrored(graph, "back.missed.rows.mirrored", 3, UP_REACH_PX, UP_REACH_PX, "back.missed.columns"),
        helper.make_node(
            "Conv",
            ["back.missed.columns.mirrored", up],
            ["back.offsets"],
            "back-projection: up",
            kernel_shape=[side, side],
            group=channels,
        ),
        helper.make_node("DepthToSpace", ["back.offsets"], ["back.change"], blocksize=scale, mode="CRD"),
        helper.make_node("Add", ["enlarged", "back.change"], ["sr"], "back-projection"),
    ]
    result.graph.node.extend(nodes)
    return result


def back_projected(pair: Reference) -> Reference:
    """A network's result with the step, by `imresize`."""
    return replace(pair, sr=np.stack([_step(lr, sr) for lr, sr in zip(pair.lr, pair.sr, strict=True)]))


def _step(lr: Batch, sr: Batch) -> Batch:
    """(C, H, W) each."""
    small, large = (planes.transpose(1, 2, 0).astype(np.float64) for planes in (lr, sr))
    missed = small - imresize(large, small.shape[:2])
    return (large + imresize(missed, large.shape[:2])).transpose(2, 0, 1).astype(np.float32)


def _mirrored(graph: Graph, tensor: str, axis: int, before: int, after: int, name: str) -> list[onnx.NodeProto]:
    """`{name}.mirrored`: a tensor with its first `before` and last `after` rows or columns mirrored around it."""

    def constant(value: int, what: str) -> str:
        return graph.add_constant(np.array([value], np.int64), f"{name}.{what}")

    axes, backwards = constant(axis, "axis"), constant(-1, "step")
    far = np.iinfo(np.int64)
    first = [constant(before - 1, "first.start"), constant(far.min, "first.end")]
    last = [constant(-1, "last.start"), constant(-after - 1, "last.end")]
    return [
        helper.make_node("Slice", [tensor, *first, axes, backwards], [f"{name}.first"]),
        helper.make_node("Slice", [tensor, *last, axes, backwards], [f"{name}.last"]),
        helper.make_node("Concat", [f"{name}.first", tensor, f"{name}.last"], [f"{name}.mirrored"], axis=axis),
    ]


def _down_kernel(scale: int) -> tuple[NDArray[np.float32], int]:
    """Weights of `imresize` by 1 / scale, and how many of them lie before the first pixel of the scale's own.

    They are read off the result for single bright pixels.
    """
    pixels = 2 * FAR_PX * scale
    weights = imresize(np.eye(pixels), (2 * FAR_PX, pixels))[FAR_PX]
    used = np.flatnonzero(np.abs(weights) > 1e-12)
    return weights[used[0] : used[-1] + 1].astype(np.float32), FAR_PX * scale - int(used[0])


def _up_kernel(scale: int) -> NDArray[np.float32]:
    """(scale^2, 1, 5, 5): weights of `imresize` by scale for the offsets in PixelShuffle's order."""
    pixels = 2 * FAR_PX
    lines = imresize(np.eye(pixels), (pixels * scale, pixels))[FAR_PX * scale : (FAR_PX + 1) * scale]
    lines = lines[:, FAR_PX - UP_REACH_PX : FAR_PX + UP_REACH_PX + 1]
    square = np.einsum("yk,xl->yxkl", lines, lines)
    kernel: NDArray[np.float32] = square.reshape(scale**2, 1, *square.shape[2:]).astype(np.float32)
    return kernel
