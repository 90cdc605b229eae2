"""Trace a torch network to an ONNX graph with values in [0, 1], whatever range the network itself uses."""

import logging
import warnings
from typing import Self

import onnx
import torch
from onnx import helper
from torch import Tensor, nn

from sr_infer.errors import SrInferError
from training.networks import Network

TRACED_HW = (24, 20)
OPSET = 18
"""The ONNX version that onnxruntime, onnxruntime-web and OpenVINO have read for years."""


class TraceError(SrInferError):
    """torch cannot write a network as a graph."""


class UnitRange(nn.Module):
    """`network(lr * value_range) / value_range`; (N, 3, H, W) in [0, 1] on both sides, not clipped."""

    def __init__(self, network: nn.Module, *, scale: int, value_range: float) -> None:
        super().__init__()
        self.network = network
        self.scale = scale
        self.value_range = value_range

    @classmethod
    def of(cls, network: Network) -> Self:
        """One of our networks, as it is deployed."""
        return cls(network, scale=network.config.scale, value_range=network.config.value_range).eval()

    def forward(self, lr: Tensor) -> Tensor:
        sr: Tensor = self.network(lr * self.value_range) * (1 / self.value_range)
        return sr


def trace(
    network: UnitRange,
    *,
    channels: int = 3,
    window_px: int | None = None,
    size_hw: tuple[int, int] = TRACED_HW,
) -> onnx.ModelProto:
    """The graph of `network`: input `lr`, output `sr`, axes batch, height and width dynamic and named.

    Args:
        network: to be traced; it is set to evaluation.
        channels: of the picture, 1 or 3.
        window_px: the graph takes one square of this side, and its axes are fixed; None takes any size.
        size_hw: the size that is traced, where any size is taken.

    Raises:
        TraceError: torch cannot write the network as a graph.
    """
    axes = dict.fromkeys((0, 2, 3), torch.export.Dim.DYNAMIC)
    lr = torch.rand(2, channels, *size_hw) if window_px is None else torch.rand(1, channels, window_px, window_px)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                network.eval(),
                (lr,),
                dynamo=True,
                opset_version=OPSET,
                input_names=["lr"],
                output_names=["sr"],
                dynamic_shapes={"lr": axes} if window_px is None else None,
                verbose=False,
            )
    except Exception as error:  # torch raises errors of many kinds for what it cannot follow
        reason = " ".join(str(error.__cause__ or error).split())[:300]
        raise TraceError(
            f"torch cannot write the network as a graph for any size ({type(error).__name__}: {reason}); take Python "
            "numbers and `if` on sizes or values out of its forward"
        ) from error
    assert program is not None
    model = program.model_proto
    _strip_notes(model)
    if window_px is None:
        name_axes(model, channels, network.scale)
    return model


def name_axes(model: onnx.ModelProto, channels: int, scale: int) -> None:
    """Name the axes, `batch`, `height` and `4*height`, and drop the shapes that were guessed for inner tensors."""
    del model.graph.value_info[:]
    for value, sides in (
        (model.graph.input[0], ("height", "width")),
        (model.graph.output[0], (f"{scale}*height", f"{scale}*width")),
    ):
        shape = ("batch", channels, *sides)
        value.CopyFrom(helper.make_tensor_value_info(value.name, onnx.TensorProto.FLOAT, shape))


def _strip_notes(model: onnx.ModelProto) -> None:
    """Drop torch's notes on nodes and values. They hold paths of this machine and take a third of the file."""
    graph = model.graph
    for item in (*graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer, graph, model):
        del item.metadata_props[:]
        item.doc_string = ""
