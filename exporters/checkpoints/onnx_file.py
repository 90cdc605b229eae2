"""An .onnx file of others as a network to export: opset raised, float16 widened, sizes and range found by running.

The reference for all that follows is the file itself in onnxruntime, run as its authors wrote it.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper, version_converter
from torch import Tensor, nn

from exporters.checkpoints.source import Source
from exporters.graph import Graph, attributes_of
from exporters.input_sizes import LARGE_PX, InputSizes, find_input_sizes
from exporters.run_graph import session_for
from exporters.trace import OPSET, name_axes
from sr_infer.errors import ModelError
from sr_infer.model_card import METADATA_KEY, ModelCard
from sr_infer.resize import imresize

IR_VERSION = 10
MAX_HALF_DIFFERENCE = 1 / 255
"""Largest change of a value in [0, 1] by computing in float32 instead of float16: one 8-bit level."""
MIN_LIKENESS_DB = 15.0
"""PSNR between the result for a smooth test picture and its bicubic enlargement, below which a range is refused."""
LICENCE_KEYS = ("licence", "license", "License")


@dataclass(frozen=True)
class Shape:
    """Input and output of a graph."""

    channels: int
    scale: int
    window_px: int | None
    """The side of the only square that it takes."""


class OnnxNetwork(nn.Module):
    """A graph in onnxruntime, as a module: (N, C, H, W) in and out, computed in float32 whatever comes in."""

    def __init__(self, model: onnx.ModelProto, sr: str) -> None:
        super().__init__()
        self._model, self._sr = model, sr
        self._session = _session(model)

    def __deepcopy__(self, _: object) -> "OnnxNetwork":
        return self

    def forward(self, lr: Tensor) -> Tensor:
        given = self._session.get_inputs()[0]
        batch = lr.numpy().astype(np.float16 if given.type == "tensor(float16)" else np.float32)
        try:
            result: NDArray[Any] = self._session.run([self._sr], {given.name: batch})[0]
        except Exception as error:  # onnxruntime's errors share no narrower base
            first_line = str(error).partition("\n")[0]
            raise ModelError(f"onnxruntime cannot run it on {tuple(lr.shape)}: {first_line}") from error
        return torch.from_numpy(result.astype(np.float32))


def read_onnx(path: Path, *, value_range: float | None = None) -> Source:
    """
    Args:
        path: an .onnx file that takes one picture batch (N, C, H, W), C 3 or 1, of any size.
        value_range: what stands for white; None finds 1 or 255 by running a test picture.

    Raises:
        ModelError: it is no ONNX file or no super-resolution network, its opset cannot be raised, it computes something
            else in float32 than in float16, or neither range gives the test picture; the message says what was found.
    """
    try:
        theirs = onnx.load(path)
        onnx.checker.check_model(theirs)
    except Exception as error:  # protobuf, the checker and the file system each raise their own
        raise ModelError(f"{path} is no valid ONNX file: {str(error).strip().partition(chr(10))[0]}") from error
    try:
        return _source(theirs, path, value_range)
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error


def _source(theirs: onnx.ModelProto, path: Path, value_range: float | None) -> Source:
    lr, channels = _input(theirs)
    model = _raised(theirs)
    is_half = _widen(model)
    _say_kernel_shapes(model)
    side_px = _fixed_side(theirs)
    sr, scale = _image_output(model, channels, side_px or LARGE_PX)
    fixed = OnnxNetwork(model, sr)
    _free_sizes(model, lr, sr)
    network, window_px, sizes = OnnxNetwork(model, sr), None, InputSizes(1, 1)
    try:
        sizes = find_input_sizes(
            lambda height, width: network(torch.zeros(1, channels, height, width)).shape, scale=scale
        )
    except ModelError:
        if side_px is None:
            raise
        network, window_px = fixed, side_px
    picture = _test_picture(channels, side_px or LARGE_PX)
    if is_half:
        _check_half(OnnxNetwork(theirs, sr), network, picture)
    value_range = value_range or _value_range(network, picture, scale)
    metadata = {entry.key: entry.value for entry in theirs.metadata_props}
    card = ModelCard.from_json(metadata[METADATA_KEY]) if METADATA_KEY in metadata else None
    return Source(
        architecture=card.architecture if card else theirs.graph.name or path.stem,
        scale=scale,
        value_range=value_range,
        network=network.eval(),
        trained_on=card.trained_on if card else f"read from {path.name}; see there",
        licence=card.licence if card else next((metadata[key] for key in LICENCE_KEYS if key in metadata), ""),
        channels=channels,
        multiple_of_px=sizes.multiple_of_px,
        min_size_px=sizes.min_size_px,
        is_foreign=True,
        graph=_unit_range(model, lr, sr, Shape(channels, scale, window_px), value_range),
        metadata=metadata | _producer(theirs),
        window_px=window_px,
    )


def _input(model: onnx.ModelProto) -> tuple[str, int]:
    """Name and channels of the picture that the graph takes."""
    constants = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in constants]
    if len(inputs) != 1:
        raise ModelError(f"expected one input, a picture, found {len(inputs)}: {', '.join(i.name for i in inputs)}")
    tensor = inputs[0].type.tensor_type
    shape = [axis.dim_value or axis.dim_param or "?" for axis in tensor.shape.dim]
    is_picture = len(shape) == 4 and shape[1] in (1, 3) and tensor.elem_type in (TensorProto.FLOAT, TensorProto.FLOAT16)
    if not is_picture:
        kind = TensorProto.DataType.Name(tensor.elem_type).lower()
        found = f"{inputs[0].name} {kind} ({', '.join(map(str, shape))})"
        raise ModelError(f"expected an input (N, 3 or 1, height, width) of float or float16, found {found}")
    return inputs[0].name, int(shape[1])


def _fixed_side(model: onnx.ModelProto) -> int | None:
    """The side of the only square that the graph says to take; None where it says nothing of sizes."""
    height, width = (axis.dim_value for axis in model.graph.input[0].type.tensor_type.shape.dim[2:])
    if height != width:
        raise ModelError(f"expected an input of any size or a fixed square, found {height}x{width}")
    return height or None


def _raised(theirs: onnx.ModelProto) -> onnx.ModelProto:
    """A copy in opset 18 or what is later."""
    opset = next((entry.version for entry in theirs.opset_import if entry.domain in ("", "ai.onnx")), 0)
    if opset >= OPSET:
        model = onnx.ModelProto()
        model.CopyFrom(theirs)
        return model
    try:
        model = version_converter.convert_version(theirs, OPSET)
    except Exception as error:  # the converter raises bare RuntimeErrors and more
        first_line = str(error).partition("\n")[0]
        raise ModelError(f"its opset {opset} cannot be raised to {OPSET}: {first_line}") from error
    model.ir_version = max(model.ir_version, IR_VERSION)
    return model


def _widen(model: onnx.ModelProto) -> bool:
    """Make everything in float16 float32, in place; whether there was anything."""
    found = False
    tensors = [*model.graph.initializer]
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                tensors.append(attribute.t)
            elif node.op_type == "Cast" and attribute.name == "to" and attribute.i == TensorProto.FLOAT16:
                attribute.i, found = TensorProto.FLOAT, True
    for tensor in tensors:
        if tensor.data_type == TensorProto.FLOAT16:
            values = numpy_helper.to_array(tensor).astype(np.float32)
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
            found = True
    for value in (*model.graph.input, *model.graph.output):
        if value.type.tensor_type.elem_type == TensorProto.FLOAT16:
            value.type.tensor_type.elem_type, found = TensorProto.FLOAT, True
    del model.graph.value_info[:]
    return found


def _say_kernel_shapes(model: onnx.ModelProto) -> None:
    """Give every convolution the attribute `kernel_shape`, which files may leave to the kernel and passes read."""
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Conv" and node.input[1] in constants and "kernel_shape" not in attributes_of(node):
            node.attribute.append(helper.make_attribute("kernel_shape", constants[node.input[1]].dims[2:]))


def _image_output(model: onnx.ModelProto, channels: int, side: int) -> tuple[str, int]:
    """The last output that is a picture of `channels` channels, and its side over that of the input."""
    session = _session(model)
    try:
        results = session.run(None, {session.get_inputs()[0].name: np.zeros((1, channels, side, side), np.float32)})
    except Exception as error:  # onnxruntime's errors share no narrower base
        first_line = str(error).partition("\n")[0]
        raise ModelError(f"onnxruntime cannot run it on (1, {channels}, {side}, {side}): {first_line}") from error
    shapes = {output.name: np.shape(result) for output, result in zip(session.get_outputs(), results, strict=True)}
    for name, shape in reversed(shapes.items()):
        is_picture = len(shape) == 4 and shape[1] == channels and shape[2] == shape[3]
        if is_picture and shape[2] >= side and shape[2] % side == 0:
            return name, shape[2] // side
    found = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
    raise ModelError(
        f"no super-resolution network: expected a picture enlarged by a whole number from (1, {channels}, {side}, "
        f"{side}), found {found}"
    )


def _free_sizes(model: onnx.ModelProto, lr: str, sr: str) -> None:
    """Take the sizes off input and outputs, which other nodes may still fix; keep one output, in place."""
    constants = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name == lr and value.name not in constants]
    outputs = [value for value in model.graph.output if value.name == sr]
    for values, kept in ((model.graph.input, inputs), (model.graph.output, outputs)):
        copies = [onnx.ValueInfoProto.FromString(value.SerializeToString()) for value in kept]
        del values[:]
        values.extend(copies)
    for value in (model.graph.input[0], model.graph.output[0]):
        axes = value.type.tensor_type.shape.dim
        for axis, side in ((0, "batch"), (2, "height"), (3, "width")):
            axes[axis].dim_param = f"{value.name}_{side}"


def _session(model: onnx.ModelProto) -> Any:
    try:
        return session_for(model)
    except Exception as error:  # onnxruntime's errors share no narrower base
        raise ModelError(f"onnxruntime cannot load it: {str(error).partition(chr(10))[0]}") from error


def _test_picture(channels: int, side_px: int) -> NDArray[np.float32]:
    """(1, channels, side, side) in [0, 1]: smooth waves, of another colour everywhere."""
    y, x = np.mgrid[:side_px, :side_px] / side_px
    planes = [0.5 + 0.35 * np.sin(2 * np.pi * (x * fx + y * fy)) for fx, fy in ((1, 0.5), (0.5, 1), (1, 1))]
    return np.stack(planes)[None, :channels].astype(np.float32)


def _check_half(theirs: OnnxNetwork, ours: OnnxNetwork, lr: NDArray[np.float32]) -> None:
    expected, found = theirs(torch.from_numpy(lr)), ours(torch.from_numpy(lr))
    difference = float((expected - found).abs().max() / max(1.0, float(expected.abs().max())))
    if not difference <= MAX_HALF_DIFFERENCE:
        raise ModelError(f"in float32 its result differs from that in float16 by {difference:.2e}, more than a level")


def _value_range(network: OnnxNetwork, lr: NDArray[np.float32], scale: int) -> float:
    """1 or 255, whichever gives the test picture enlarged."""
    side_px = scale * lr.shape[2]
    expected = imresize(lr[0].transpose(1, 2, 0), (side_px, side_px))
    likeness_db = {}
    for value_range in (1.0, 255.0):
        sr = network(torch.from_numpy(lr * np.float32(value_range)))[0].numpy().transpose(1, 2, 0) / value_range
        likeness_db[value_range] = _likeness_db(sr, expected)
    best = max(likeness_db, key=lambda value_range: likeness_db[value_range])
    if likeness_db[best] < MIN_LIKENESS_DB:
        said = ", ".join(f"{found:.1f} dB in 0..{value_range:g}" for value_range, found in likeness_db.items())
        raise ModelError(
            f"its result is not the test picture enlarged ({said}); if it is right on other pictures, say in which "
            "range with --value-range"
        )
    return best


def _likeness_db(sr: NDArray[np.float32], expected: NDArray[np.float32]) -> float:
    error = float(np.mean((np.clip(sr, 0, 1) - expected) ** 2))
    return float(-10 * np.log10(max(error, 1e-10)))


def _unit_range(theirs: onnx.ModelProto, lr: str, sr: str, shape: Shape, value_range: float) -> onnx.ModelProto:
    """A copy from `lr` to `sr`, both in [0, 1]."""
    model = onnx.ModelProto()
    model.CopyFrom(theirs)
    _rename(model, lr, "theirs_lr")
    _rename(model, sr, "theirs_sr")
    graph = Graph(model)
    nodes = [*model.graph.node]
    if value_range == 1:
        nodes.insert(0, helper.make_node("Identity", ["lr"], ["theirs_lr"]))
        nodes.append(helper.make_node("Identity", ["theirs_sr"], ["sr"]))
    else:
        up = graph.add_constant(np.array(value_range, np.float32), "value_range")
        down = graph.add_constant(np.array(1 / value_range, np.float32), "one_over_value_range")
        nodes.insert(0, helper.make_node("Mul", ["lr", up], ["theirs_lr"]))
        nodes.append(helper.make_node("Mul", ["theirs_sr", down], ["sr"]))
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    model.graph.input[0].name, model.graph.output[0].name = "lr", "sr"
    name_axes(model, shape.channels, shape.scale)
    if shape.window_px is not None:
        for value, enlarged in ((model.graph.input[0], 1), (model.graph.output[0], shape.scale)):
            for axis in value.type.tensor_type.shape.dim[2:]:
                axis.dim_value = enlarged * shape.window_px
            value.type.tensor_type.shape.dim[0].dim_value = 1
    return model


def _rename(model: onnx.ModelProto, old: str, new: str) -> None:
    for node in model.graph.node:
        node.input[:] = [new if name == old else name for name in node.input]
        node.output[:] = [new if name == old else name for name in node.output]


def _producer(model: onnx.ModelProto) -> dict[str, str]:
    producer = " ".join(part for part in (model.producer_name, model.producer_version) if part)
    return {"original_producer": producer} if producer else {}
