"""MemSR's plain network in the form that is trained: a channel of ones instead of biases, and centred features.

    h_(i+1) = max(W_i * [ones, h_i], -floor_(i+1))

computes what convolution, bias and ReLU compute of g = h + floor, so `plain` gives a `Plain` network, one channel
wider, that does exactly the same on every border. `Plain` itself trains badly: a winning initialisation shifts its
features far into the positive, where they are nearly constant, and every step of Adam along the constant moves all
later layers.
"""

from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn

from sr_infer.errors import ModelError
from training.networks.blocks import MeanShift, conv3x3
from training.networks.convolution_algebra import Convolution, making_ones, unshifting, without_ones
from training.networks.interface import SingleImageNetwork
from training.networks.plain import Plain, PlainConfig


@dataclass(frozen=True, kw_only=True)
class OnesPlainConfig(PlainConfig):
    """As `PlainConfig`, the widths without the channel of ones."""


class OnesConvolution(nn.Module):
    """`weight` (outputs, 1 + inputs, 3, 3) on a channel of ones and the input, both padded with zeros."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(nn.Conv2d(1 + inputs, outputs, 3).weight.detach().clone())

    def forward(self, x: Tensor) -> Tensor:
        ones = torch.ones_like(x[:1, :1])
        on_ones = nn.functional.conv2d(ones, self.weight[:, :1], padding=1)
        return nn.functional.conv2d(x, self.weight[:, 1:], padding=1) + on_ones


class Floor(nn.Module):
    """`max(x, -floor)` for each channel; `floor` (channels,) is set once and not learnt."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.floor = nn.Buffer(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        return torch.maximum(x, -self.floor.to(x.dtype)[:, None, None])


class OnesPlain(SingleImageNetwork):
    """Takes (N, 3, H, W), gives (N, 3, scale H, scale W), both RGB in 0 .. `config.value_range`."""

    def __init__(self, config: OnesPlainConfig) -> None:
        super().__init__()
        self.config = config
        self.sub_mean = MeanShift(-1, config.value_range)
        self.layers = nn.ModuleList([conv3x3(3, config.widths[0])])
        self.layers.extend(map(OnesConvolution, config.widths, config.widths[1:]))
        self.activations = nn.ModuleList(
            Floor(width) if config.has_relu(layer) else nn.Identity() for layer, width in enumerate(config.widths)
        )
        self.tail = nn.Sequential(
            OnesConvolution(config.widths[-1], 3 * config.scale**2), nn.PixelShuffle(config.scale)
        )
        self.add_mean = MeanShift(1, config.value_range)

    @classmethod
    @torch.no_grad()
    def centred(cls, network: Plain, lr: Tensor) -> "OnesPlain":
        """The inverse of `plain`, for further training: the same function, around the features' means on `lr`.

        Args:
            network: the first channel of each layer but the tail is the ones.
            lr: (N, 3, H, W) in the network's range.

        Raises:
            ModelError: a layer has no ones.
        """
        kernels = [Convolution(c.weight, c.get_parameter("bias")) for c in network.convolutions]
        for index, kernel in enumerate(kernels[:-1]):
            if kernel.weight[0].any() or kernel.bias[0] != 1:
                raise ModelError(f"layer {index} has no channel of ones; expected a network that MemSR made plain")
        settings = asdict(network.config) | {"widths": tuple(width - 1 for width in network.config.widths)}
        centred = cls(OnesPlainConfig(**settings)).to(lr)
        for activation, features in zip(centred.activations, network.features(lr), strict=True):
            if isinstance(activation, Floor):
                activation.floor.copy_(features.mean(dim=(0, 2, 3))[1:])
        floors = centred.floors()
        first, *others = (
            Convolution(kernel.weight[1:], kernel.bias[1:] - floor)
            for kernel, floor in zip(kernels[:-1], floors, strict=True)
        )
        centred.layers[0].load_state_dict({"weight": first.weight, "bias": first.bias})
        layers = (*centred.layers[1:], centred.tail[0])
        for layer, floor, kernel in zip(layers, floors, (*others, kernels[-1]), strict=True):
            kernel = unshifting(-floor, kernel)
            layer.get_parameter("weight").copy_(kernel.weight)
            layer.get_parameter("weight")[:, 0, 1, 1] += kernel.bias
        centred.sub_mean.load_state_dict(network.sub_mean.state_dict())
        centred.add_mean.load_state_dict(network.add_mean.state_dict())
        return centred

    def forward(self, lr: Tensor) -> Tensor:
        return self.add_mean(self.tail(self.features(lr)[-1]))

    def features(self, lr: Tensor) -> list[Tensor]:
        """The output of each layer before the tail, (N, width, H, W), centred, after its floor if it has one."""
        x, features = self.sub_mean(lr), []
        for layer, activation in zip(self.layers, self.activations, strict=True):
            x = activation(layer(x))
            features.append(x)
        return features

    def floors(self) -> list[Tensor]:
        """By how much `Plain`'s features are larger, for each layer (width,)."""
        zeros = self.sub_mean.bias.new_zeros
        return [
            activation.floor if isinstance(activation, Floor) else zeros(width)
            for width, activation in zip(self.config.widths, self.activations, strict=True)
        ]

    def plain(self, *, for_half: bool = False) -> Plain:
        """The same function as convolutions, biases and ReLU; the first channel of each layer is the ones.

        Args:
            for_half: give weights that float16 holds. The kernels are then rounded, but the large constants that nearly
                cancel stay exact.
        """
        first, *others = self._kernels(for_half=for_half)
        *layers, tail = (_constants_for_half(kernel) if for_half else kernel for kernel in others)
        return self._assembled([making_ones(first), *map(making_ones, layers), tail])

    def collapsed(self) -> Plain:
        """Biases in place of the ones; each layer is wrong within a pixel of the border."""
        first, *others = self._kernels(for_half=False)
        return self._assembled([first, *map(without_ones, others)])

    @torch.no_grad()
    def _kernels(self, *, for_half: bool) -> list[Convolution]:
        """On ones and features that are larger by the floors; the first one on the picture, with a bias."""
        floors, (first, *others) = self.floors(), (*self.layers, self.tail[0])
        kernels = [Convolution(first.get_parameter("weight").detach(), first.get_parameter("bias") + floors[0])]
        for floor, layer, next_floor in zip(floors, others, (*floors[1:], torch.zeros(())), strict=True):
            weight = layer.get_parameter("weight").detach().clone()
            if for_half:
                weight[:, 1:] = weight[:, 1:].half()
            kernel = unshifting(floor, Convolution(weight, torch.zeros_like(weight[:, 0, 0, 0])))
            kernels.append(Convolution(kernel.weight, kernel.bias + next_floor))
        return kernels

    def _assembled(self, kernels: list[Convolution]) -> Plain:
        settings = asdict(self.config) | {"widths": tuple(kernel.outputs for kernel in kernels[:-1])}
        network = Plain(PlainConfig(**settings)).to(kernels[0].weight)
        for module, kernel in zip(network.convolutions, kernels, strict=True):
            module.load_state_dict({"weight": kernel.weight, "bias": kernel.bias})
        network.sub_mean.load_state_dict(self.sub_mean.state_dict())
        network.add_mean.load_state_dict(self.add_mean.state_dict())
        return network.eval()


def _constants_for_half(kernel: Convolution) -> Convolution:
    """Bias and kernel on the ones in half precision; the kernel's centre corrects the rounding of the other values."""
    ones = kernel.weight[:, 0].double()
    constant = kernel.bias.double() + ones.sum(dim=(1, 2))
    bias, ones = constant.half().double(), ones.half().double()
    ones[:, 1, 1] += constant - bias - ones.sum(dim=(1, 2))
    weight = kernel.weight.clone()
    weight[:, 0] = ones.to(weight.dtype)
    return Convolution(weight, bias.to(weight.dtype))
