"""Trace a torch network to an ONNX graph with values in [0, 1], whatever range the network itself uses."""

import logging
import warnings
from typing import Self

import onnx
import torch
from torch import Tensor, nn

from training.networks import Network

OPSET = 18
"""The ONNX version that onnxruntime, onnxruntime-web and OpenVINO have read for years."""


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


def trace(network: UnitRange, *, channels: int = 3, window_px: int | None = None) -> onnx.ModelProto:
    """The graph of `network`: input `lr`, output `sr`, axes batch, height and width dynamic and named.

    With `window_px` it takes one square of this side, and its axes are fixed.
    """
    axes = {0: torch.export.Dim("batch"), 2: torch.export.Dim("height"), 3: torch.export.Dim("width")}
    lr = torch.rand(2, channels, 24, 20) if window_px is None else torch.rand(1, channels, window_px, window_px)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
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
    assert program is not None
    model = program.model_proto
    _strip_notes(model)
    if window_px is None:
        _name_output_axes(model, channels, network.scale)
    return model


def _name_output_axes(model: onnx.ModelProto, channels: int, scale: int) -> None:
    """Name the output's sides `4*height` and `4*width`, and drop the shapes that tracing guessed for inner tensors."""
    del model.graph.value_info[:]
    axes = model.graph.output[0].type.tensor_type.shape.dim
    axes[1].dim_value, axes[2].dim_param, axes[3].dim_param = channels, f"{scale}*height", f"{scale}*width"


def _strip_notes(model: onnx.ModelProto) -> None:
    """Drop torch's notes on nodes and values. They hold paths of this machine and take a third of the file."""
    graph = model.graph
    for item in (*graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer, graph, model):
        del item.metadata_props[:]
        item.doc_string = ""
