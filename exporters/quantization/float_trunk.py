"""Plain networks for int8: channels that layers only pass on are carried in float, beside the convolutions.

A plain network that stands for a residual one (MemSR) pushes the whole picture through every layer. In 8 bits every
layer would round it, and kernels that pass some channels on as they are (weights near 1) and add small ones (near 0.01)
would be rounded to steps as large as what they add. But channels that ReLU leaves alone are linear, so any basis of
them is as good. Let C = U S V' be the centre of the kernel from one layer's carried channels to the next one's. Then z
= V U' (g - mean g) is the basis of the latter closest to that of the former (Procrustes), and

    z_(i+1) = z_i + (A_i - I) * [z_i, others_i, 1],    others_(i+1) = ReLU(B_i * [z_i, others_i, 1])

is the same function: a trunk z that is summed in float, and convolutions of which only corrections are asked. Means go
into the kernels on a channel of ones, which is right on the border too (`training.networks.convolution_algebra`).
Channels of zeros beside it bring their number to a multiple of 4, as `exporters.passes.align_channels` cannot do later.
Channels are scaled towards a common range, halfway, as they share the range in 8 bits, and kernels the other way.

Channels that are cut off in less than one place of a hundred on the given pictures are taken for linear, and are then
not cut off anywhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from exporters.passes.align_channels import WIDTH_MULTIPLE
from training.networks import Plain
from training.networks.convolution_algebra import Convolution, sequential

CUT_OFF_SHARE = 1e-2
"""Largest share of zeros in a channel of the trunk; a channel with more zeros is not carried."""
MIN_TRUNK_WIDTH = 16
"""Smallest number of trunk channels; fewer bring little."""
MARGIN = 0.25
"""Offset, as a share of the range, that keeps linear channels positive through ReLU."""
EQUALISED = 0.6
"""0 leaves all channels as they are, 1 gives all the same range."""
RIDGE = 1e-3
"""Ridge that draws the subtracted part to the mean, as a share of the kernels' mean square."""
MIN_RANGE = 1e-3
"""Smallest range of a channel, relative to the trunk's; smaller ranges are treated as this one."""
SAMPLED_PX = 2
"""Step, in pixels along both axes, between the pixels of which statistics are taken."""


class Carried(nn.Module):
    """From (N, 3, H, W) to (N, 3, scale H, scale W), in the range of the plain network that it is made from."""

    def __init__(self, plain: Plain, layers: Sequence["_Layer"], tail: Convolution) -> None:
        super().__init__()
        self.sub_mean, self.add_mean, self.shuffle = plain.sub_mean, plain.add_mean, plain.tail[-1]
        self.rectified = [layer.rectified for layer in layers]
        self.to_trunk = nn.ModuleList(_module(layer.to_trunk) for layer in layers)
        self.to_others = nn.ModuleList(_module(layer.to_others) for layer in layers)
        self.tail = _module(tail)

    def forward(self, lr: Tensor) -> Tensor:
        sr: Tensor = self.add_mean(self.shuffle(self.tail(self.features(lr)[-1])))
        return sr

    def features(self, lr: Tensor) -> list[Tensor]:
        """The output of each layer, (N, channels, H, W): the trunk, the others, the ones."""
        channels, trunk, features = self.sub_mean(lr), torch.zeros(()), list[Tensor]()
        for rectified, to_trunk, to_others in zip(self.rectified, self.to_trunk, self.to_others, strict=True):
            change, others = to_trunk(channels), to_others(channels)
            trunk = trunk + change if features else change
            channels = torch.cat((trunk, others.relu() if rectified else others), dim=1)
            features.append(channels)
        return features


@torch.no_grad()
def build_float_trunk(plain: Plain, crops: Sequence[NDArray[np.float32]]) -> Carried | None:
    """Build a network that computes the same as `plain` and tolerates 8 bits.

    Args:
        plain: any plain network.
        crops: LR, (1, 3, h, w) in [0, 1]; they show which channels ReLU cuts off.

    Returns:
        None if fewer than 16 channels are carried through some layers.
    """
    pictures = [torch.from_numpy(crop) * plain.config.value_range for crop in crops]
    samples = _samples(plain, pictures)
    kinds = [_Kinds.of(values, has_relu=plain.config.has_relu(layer)) for layer, values in enumerate(samples)]
    width = int(np.quantile([len(kind.linear) for kind in kinds], 0.25))
    if width < MIN_TRUNK_WIDTH:
        return None
    *kernels, tail = map(_kernel, plain.convolutions)
    layers: list[_Layer] = []
    kernel = kernels[0]
    passed_on = kernel.weight.new_zeros(len(kinds[0].linear), width).fill_diagonal_(1)
    for values, kind, reader in zip(samples, kinds, (*kernels[1:], tail), strict=True):
        to_basis, from_basis = _bases(values.double(), kind, passed_on, reader)
        layers.append(_Layer(sequential(kernel, to_basis), width, rectified=len(kind.rectified) > 0))
        if len(layers) > 1:
            layers[-1].kernel.weight[:width, :width, 1, 1] -= torch.eye(width, dtype=torch.float64)
        kernel = _constant_as_bias(sequential(from_basis, reader))
        if len(layers) < len(kinds):
            passed_on = kernel.weight[kinds[len(layers)].linear, :width, 1, 1]
    carried = Carried(plain, layers, kernel)
    return Carried(plain, *_equalise(layers, kernel, _largest(carried, pictures)))


@dataclass(frozen=True)
class _Kinds:
    """Indices of the output channels of one layer of the plain network."""

    linear: Tensor
    rectified: Tensor
    constant: Tensor

    @classmethod
    def of(cls, values: Tensor, *, has_relu: bool) -> "_Kinds":
        constant = values.amin(dim=1) == values.amax(dim=1)
        is_cut_off = (values <= 0).float().mean(dim=1) > CUT_OFF_SHARE
        rectified = is_cut_off & ~constant if has_relu else torch.zeros_like(constant)
        return cls(*(mask.nonzero()[:, 0] for mask in (~constant & ~rectified, rectified, constant)))


@dataclass(frozen=True)
class _Layer:
    """A layer of the carried form."""

    kernel: Convolution
    """Gives the trunk's change, the others, the ones."""
    width: int
    """Of the trunk."""
    rectified: bool
    """Whether ReLU follows for the others."""

    @property
    def to_trunk(self) -> Convolution:
        return Convolution(self.kernel.weight[: self.width], self.kernel.bias[: self.width])

    @property
    def to_others(self) -> Convolution:
        return Convolution(self.kernel.weight[self.width :], self.kernel.bias[self.width :])


def _samples(plain: Plain, pictures: Sequence[Tensor]) -> list[Tensor]:
    """The output of each layer as (channels, pixels)."""
    seen = [
        [features[0, :, ::SAMPLED_PX, ::SAMPLED_PX].flatten(1) for features in plain.features(picture)]
        for picture in pictures
    ]
    return [torch.cat(layer, dim=1) for layer in zip(*seen, strict=True)]


def _bases(values: Tensor, kind: _Kinds, passed_on: Tensor, reader: Convolution) -> tuple[Convolution, Convolution]:
    """Pointwise convolutions from a layer's channels to [trunk, others, zeros, ones], and back.

    Args:
        values: the layer's output as (channels, pixels).
        kind: its channels.
        passed_on: (linear channels, width of the trunk), C of the module's docstring.
        reader: the next layer's kernel.
    """
    columns, _, rows = torch.linalg.svd(passed_on)
    width, common = passed_on.shape[1], min(passed_on.shape)
    rotation = torch.cat((rows[:common].T @ columns[:, :common].T, columns[:, common:].T))
    shift = rotation @ _zero(values, kind, reader)
    if len(kind.rectified):
        others = rotation[width:] @ values[kind.linear]
        low, high = others.amin(dim=1), others.amax(dim=1)
        shift[width:] = low - MARGIN * (high - low)
    rotated, kept, channels = len(rotation), len(kind.rectified), len(values)
    zeros = -(rotated + kept + 1) % WIDTH_MULTIPLE
    to_basis = values.new_zeros(rotated + kept + zeros + 1, channels)
    to_basis[:rotated, kind.linear] = rotation
    to_basis[rotated + torch.arange(kept), kind.rectified] = 1
    from_basis = to_basis.T.clone()
    from_basis[kind.linear, -1] = rotation.T @ shift
    from_basis[kind.constant, -1] = values[kind.constant, 0]
    bias = nn.functional.pad(-shift, (0, kept + zeros + 1))
    bias[-1] = 1
    return _pointwise(to_basis, bias), _pointwise(from_basis, values.new_zeros(channels))


def _zero(values: Tensor, kind: _Kinds, reader: Convolution) -> Tensor:
    """What linear channels should have subtracted: their mean, or rather what makes their zero padding right.

    Padded with zeros, channels g stand on the border for 0. If g - f are padded, f is missed there by the kernel's taps
    beside the centre, A f, unless channels that are constant make up for it, b: least ||A f + b||, close to the mean.
    """
    beside = reader.weight.flatten(2)[:, :, torch.arange(9) != 4].transpose(1, 2).flatten(0, 1)
    taps, made_up = beside[:, kind.linear], beside[:, kind.constant] @ values[kind.constant, 0]
    mean = values[kind.linear].mean(dim=1)
    squares = taps.T @ taps
    squares += RIDGE * squares.diagonal().mean() * torch.eye(len(mean), dtype=mean.dtype)
    change: Tensor = torch.linalg.solve(squares, taps.T @ (taps @ mean + made_up))
    return mean - change


def _constant_as_bias(kernel: Convolution) -> Convolution:
    """The same with nothing at the centre of the kernel on the ones, which come last."""
    weight, bias = kernel.weight.clone(), kernel.bias + kernel.weight[:, -1, 1, 1]
    weight[:, -1, 1, 1] = 0
    return Convolution(weight, bias)


def _largest(carried: Carried, pictures: Sequence[Tensor]) -> list[Tensor]:
    """The largest magnitude of each channel of each layer; of the trunk's over all layers."""
    seen = [[features.abs().amax(dim=(0, 2, 3)) for features in carried.features(picture)] for picture in pictures]
    largest = [torch.stack(layer).amax(dim=0).double() for layer in zip(*seen, strict=True)]
    width = carried.to_trunk[0].out_channels
    trunk = torch.stack([layer[:width] for layer in largest]).amax(dim=0)
    return [torch.cat((trunk, layer[width:])) for layer in largest]


def _equalise(
    layers: Sequence[_Layer], tail: Convolution, largest: Sequence[Tensor]
) -> tuple[list[_Layer], Convolution]:
    """The same function with every channel's range r changed to r^0.4 R^0.6, R that of the trunk, and ones to R."""
    common = largest[0][: layers[0].width].max()
    factors = [(layer / common).clamp(min=MIN_RANGE) ** -EQUALISED for layer in largest]
    for factor in factors:
        factor[-1] = common
    scaled, read = [], torch.ones(layers[0].kernel.inputs, dtype=torch.float64)
    for layer, factor in zip(layers, factors, strict=True):
        weight = layer.kernel.weight * factor[:, None, None, None] / read[:, None, None]
        scaled.append(replace(layer, kernel=Convolution(weight, layer.kernel.bias * factor)))
        read = factor
    return scaled, Convolution(tail.weight / read[:, None, None], tail.bias)


def _pointwise(matrix: Tensor, bias: Tensor) -> Convolution:
    return Convolution(matrix[:, :, None, None], bias)


def _kernel(module: nn.Conv2d) -> Convolution:
    assert module.bias is not None
    return Convolution(module.weight.double(), module.bias.double())


def _module(kernel: Convolution) -> nn.Conv2d:
    module = nn.Conv2d(kernel.inputs, kernel.outputs, 3, padding=1)
    module.load_state_dict({"weight": kernel.weight, "bias": kernel.bias})
    return module
