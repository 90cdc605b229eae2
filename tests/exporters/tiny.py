"""Tiny networks with random weights, saved as training saves them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
import torch
from torch import nn

from exporters.trace import UnitRange
from sr_infer.engine.session import Session, shared
from sr_infer.model_card import ModelCard
from training.checkpoint import load_network, save_network
from training.networks import build_network, read_config

NETWORKS: dict[str, dict[str, Any]] = {
    "srpn-lite-x2": {"architecture": "edsr", "scale": 2, "blocks": 2, "width": 10, "tail": "shuffle"},
    "edsr-x3": {"architecture": "edsr", "scale": 3, "blocks": 1, "width": 8, "inner_widths": [5]},
    "plain-x3": {"architecture": "plain", "scale": 3, "widths": [6, 9]},
    "srresnet-x2": {"architecture": "srresnet", "scale": 2, "blocks": 1, "width": 8},
    "drn-x4": {"architecture": "drn", "scale": 4, "blocks": 1, "features": 4},
    "drn-x8": {"architecture": "drn", "scale": 8, "blocks": 1, "features": 4},
}


@dataclass(frozen=True)
class Exported:
    """A tiny network and the file that the command made of it."""

    path: Path
    checkpoint: Path
    network: nn.Module
    """Takes and gives [0, 1]."""

    @property
    def session(self) -> Session:
        return shared(self.path)

    @property
    def card(self) -> ModelCard:
        return self.session.card

    @property
    def model(self) -> onnx.ModelProto:
        return onnx.load(self.path)


def save_checkpoint(path: Path, network: dict[str, Any], **history: Any) -> Path:
    """A checkpoint of random weights, as `python -m training.train` leaves it."""
    torch.manual_seed(3)
    architecture, config = read_config(network, where="test")
    module = build_network(architecture, config)
    with torch.no_grad():
        for layer in module.modules():
            if isinstance(layer, nn.Conv2d):
                layer.weight.mul_(2)
    save_network(path, module, {"name": path.stem, "network": network, "note": "Random."}, history)
    return path


def unit_network(checkpoint: Path) -> UnitRange:
    """The network of a checkpoint, taking and giving [0, 1]."""
    return UnitRange.of(load_network(checkpoint)[2])
