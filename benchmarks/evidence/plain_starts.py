"""Initialisations to compare with MemSR's: random weights, and branches as in RepVGG."""

import copy
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from training.loop.trainer import Trainer
from training.networks import Plain, PlainConfig
from training.networks.convolution_algebra import Convolution, identity, parallel


def build_random_plain(config: PlainConfig, kind: Literal["he", "xavier", "branches"], *, seed: int) -> Plain:
    """Build a plain network with He's (fan in, ReLU) or Xavier's normal weights and zero biases.

    The kind "branches" keeps torch's own initial weights and biases.
    """
    torch.manual_seed(seed)
    network = Plain(config)
    if kind != "branches":
        for layer in _convolutions(network):
            nn.init.xavier_normal_(layer.weight) if kind == "xavier" else nn.init.kaiming_normal_(layer.weight)
            nn.init.zeros_(layer.bias)
    return network


class Branches(nn.Module):
    """Adds a pointwise kernel and, if the widths are equal, the identity to a 3x3 kernel.

    Ding et al., "RepVGG: Making VGG-style ConvNets Great Again", CVPR 2021, without batch normalisation.
    """

    def __init__(self, layer: nn.Conv2d) -> None:
        super().__init__()
        self.pointwise = nn.Parameter(nn.Conv2d(layer.in_channels, layer.out_channels, 1).weight.detach().clone())
        self.has_identity = layer.in_channels == layer.out_channels

    def forward(self, kernel: Tensor) -> Tensor:
        no_bias = kernel.new_zeros(len(kernel))
        merged = parallel(Convolution(kernel, no_bias), Convolution(self.pointwise, no_bias))
        if self.has_identity:
            merged = parallel(merged, identity(len(kernel), dtype=kernel.dtype))
        return merged.weight


def train_in_branches(trainer: Trainer) -> None:
    """Add branches to every convolution of the trainer's network. Call it before the first step."""
    for layer in _convolutions(trainer.network):
        branches = Branches(layer)
        parametrize.register_parametrization(layer, "weight", branches)
        trainer.updater.parameters.append(branches.pointwise)
        trainer.updater.optimizer.add_param_group({"params": [branches.pointwise]})
    trainer.ema = copy.deepcopy(trainer.network).eval().requires_grad_(False)


def _convolutions(network: nn.Module) -> list[nn.Conv2d]:
    return [module for module in network.modules() if isinstance(module, nn.Conv2d)]
