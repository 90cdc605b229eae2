"""Layers that several networks share."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

DIV2K_MEAN = (0.4488, 0.4371, 0.4040)
"""RGB mean of the DIV2K training set as fractions of the value range (EDSR, Lim et al. 2017)."""


def conv3x3(inputs: int, outputs: int, *, stride: int = 1, bias: bool = True) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=bias)


def convolution_of(network: nn.Module, name: str) -> nn.Conv2d:
    """The convolution with this module name."""
    layer = network.get_submodule(name)
    if not isinstance(layer, nn.Conv2d):
        raise TypeError(f"{name} is a {type(layer).__name__}, not a convolution")
    return layer


class MeanShift(nn.Module):
    """A fixed per-pixel colour transform, `weight @ rgb + bias`, in its own precision, also under autocast.

    The papers subtract the training set's mean before the first convolution and add it after the last. It is
    fixed here; released weights, which trained it by accident, may hold other values.
    """

    def __init__(self, sign: int, value_range: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.eye(3), requires_grad=False)
        self.bias = nn.Parameter(sign * value_range * torch.tensor(DIV2K_MEAN), requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            return nn.functional.conv2d(x.to(self.weight.dtype), self.weight[:, :, None, None], self.bias)


class ResidualBlock(nn.Module):
    """`x + residual_scale * conv(relu(conv(x)))`, with an inner width of its own."""

    def __init__(self, width: int, inner_width: int, residual_scale: float = 1.0) -> None:
        super().__init__()
        self.conv1 = conv3x3(width, inner_width)
        self.conv2 = conv3x3(inner_width, width)
        self.residual_scale = residual_scale

    def forward(self, x: Tensor) -> Tensor:
        residual = self.conv2(self.conv1(x).relu())
        return x + (residual if self.residual_scale == 1.0 else residual * self.residual_scale)


UPSAMPLING_FACTORS = {2: (2,), 3: (3,), 4: (2, 2)}
"""PixelShuffles of EDSR's upsampler at each scale."""


class Upsampler(nn.Sequential):
    """EDSR's: for each step a convolution to factor^2 times the step's width and a PixelShuffle; x4 does x2 twice."""

    def __init__(self, width: int, widths: tuple[int, ...], scale: int) -> None:
        super().__init__()
        for factor, inputs, outputs in zip(UPSAMPLING_FACTORS[scale], (width, *widths), widths, strict=False):
            self.append(conv3x3(inputs, factor**2 * outputs))
            self.append(nn.PixelShuffle(factor))


def upsampler_widths(name: str, scale: int, shapes: Mapping[str, torch.Size]) -> tuple[int, ...]:
    """Channels after each PixelShuffle of the `Upsampler` called `name` in tensors of these shapes."""
    factors = UPSAMPLING_FACTORS[scale]
    return tuple(shapes[f"{name}.{2 * step}.weight"][0] // factor**2 for step, factor in enumerate(factors))
