"""Several convolutions as one: exact identities between kernels, with the conditions under which they hold.

A convolution here is what `torch.nn.functional.conv2d` computes with stride 1 and one group, `y = W * x + b`. All sums
are taken in float64 and given back in the kernel's own dtype.

On zero-padded pictures two identities hold inside only: where the second of two convolutions pads what the first left,
the ring outside is zero, and not what the first would have made of it. `sequential` says when that does not matter.

With a channel of ones beside the features it never matters: the ones are padded with zeros as well, so a kernel on them
is a bias that knows the border. `with_ones` and `keeping_ones` put convolutions into that form (MemSR, sec. 3.2), in
which every pointwise convolution merges into the next one exactly; `without_ones` and `making_ones` lead out of it.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Convolution:
    """`weight` (outputs, inputs, height, width) with odd height and width, `bias` (outputs,), of one dtype.

    Raises:
        ValueError: the shapes do not fit.
    """

    weight: Tensor
    bias: Tensor

    def __post_init__(self) -> None:
        shape = tuple(self.weight.shape)
        if len(shape) != 4 or shape[2] % 2 == 0 or shape[3] % 2 == 0 or tuple(self.bias.shape) != shape[:1]:
            raise ValueError(f"expected an odd (O, I, h, w) kernel and an (O,) bias, got {shape}, {self.bias.shape}")

    @property
    def outputs(self) -> int:
        return self.weight.shape[0]

    @property
    def inputs(self) -> int:
        return self.weight.shape[1]

    @property
    def is_pointwise(self) -> bool:
        return tuple(self.weight.shape[2:]) == (1, 1)

    def __call__(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, outputs, H, W), zero-padded to the same size."""
        height, width = self.weight.shape[2:]
        return nn.functional.conv2d(x, self.weight, self.bias, padding=(height // 2, width // 2))


def identity(channels: int, size_px: int = 1, *, dtype: torch.dtype = torch.float32) -> Convolution:
    """The convolution that leaves its input as it is: ones on the diagonal, at the centre of a square kernel."""
    weight = torch.zeros(channels, channels, size_px, size_px, dtype=dtype)
    weight[:, :, size_px // 2, size_px // 2] = torch.eye(channels, dtype=dtype)
    return Convolution(weight, torch.zeros(channels, dtype=dtype))


def depthwise(filters: Tensor, bias: Tensor) -> Convolution:
    """One filter (channels, height, width) for each channel, such as Sobel's times a learnt scale, as a convolution."""
    channels = len(filters)
    weight = filters.new_zeros(channels, channels, *filters.shape[1:])
    weight[torch.arange(channels), torch.arange(channels)] = filters
    return Convolution(weight, bias)


def sequential(first: Convolution, second: Convolution) -> Convolution:
    """`second(first(x))` as one convolution, its kernel as wide as both together less one.

        W[o, i] = sum over m of W2[o, m] convolved with W1[m, i],    b = b2 + sum over m, taps of W2[o, m] b1[m]

    With zero padding it is exact when `second` is pointwise, or when `first` is pointwise and has no bias (zero stays
    zero); otherwise it is right only where the kernel lies inside the picture. It is exact, too, when `first` is
    pointwise and reads the padded picture, so that `second` is padded with its bias (ECBSR's branches).

    Raises:
        ValueError: `second` does not take what `first` gives.
    """
    if second.inputs != first.outputs:
        raise ValueError(f"the second convolution takes {second.inputs} channels, the first gives {first.outputs}")
    w1, w2 = first.weight.double(), second.weight.double()
    reach = (w2.shape[2] - 1, w2.shape[3] - 1)
    weight = nn.functional.conv2d(w1.transpose(0, 1), w2.flip(2, 3), padding=reach).transpose(0, 1)
    bias = second.bias.double() + w2.sum(dim=(2, 3)) @ first.bias.double()
    return _like(first, weight, bias)


def parallel(one: Convolution, other: Convolution) -> Convolution:
    """`one(x) + other(x)`; the smaller kernel is centred in the larger. Exact with zero padding.

    Raises:
        ValueError: they take or give other numbers of channels.
    """
    if one.weight.shape[:2] != other.weight.shape[:2]:
        raise ValueError(f"kernels of {tuple(one.weight.shape)} and {tuple(other.weight.shape)} cannot be added")
    size_hw = [max(sides) for sides in zip(one.weight.shape[2:], other.weight.shape[2:], strict=True)]
    weights = [_centred(kernel.weight.double(), size_hw) for kernel in (one, other)]
    return _like(one, weights[0] + weights[1], one.bias.double() + other.bias.double())


def stacked(one: Convolution, other: Convolution) -> Convolution:
    """`torch.cat((one(x), other(x)), dim=1)`; the smaller kernel is centred in the larger. Exact with zero padding.

    Raises:
        ValueError: they take other numbers of channels.
    """
    if one.inputs != other.inputs:
        raise ValueError(f"convolutions of {one.inputs} and {other.inputs} channels do not read the same picture")
    size_hw = [max(sides) for sides in zip(one.weight.shape[2:], other.weight.shape[2:], strict=True)]
    weight = torch.cat([_centred(kernel.weight, size_hw) for kernel in (one, other)])
    return Convolution(weight, torch.cat((one.bias, other.bias)))


def reading(convolution: Convolution, first: int, channels: int) -> Convolution:
    """`convolution(x[:, first : first + convolution.inputs])` for an x of so many channels. Exact.

    Raises:
        ValueError: x has no such channels.
    """
    behind = channels - first - convolution.inputs
    if first < 0 or behind < 0:
        raise ValueError(f"{channels} channels have no {first} .. {first + convolution.inputs - 1}")
    weight = nn.functional.pad(convolution.weight, (0, 0, 0, 0, first, behind))
    return Convolution(weight, convolution.bias)


def with_ones(convolution: Convolution) -> Convolution:
    """The convolution that makes the same of `cat([ones, x])`, without a bias. Exact, on the border too.

    The channel of ones comes first, and the centre of its kernel is the bias.
    """
    height, width = convolution.weight.shape[2:]
    ones = torch.zeros_like(convolution.weight[:, :1])
    ones[:, 0, height // 2, width // 2] = convolution.bias
    return Convolution(torch.cat((ones, convolution.weight), dim=1), torch.zeros_like(convolution.bias))


def keeping_ones(convolution: Convolution) -> Convolution:
    """`cat([ones, y])` for the y that a convolution without bias makes of `cat([ones, x])`. Exact.

    `sequential(keeping_ones(first), second)` is exact for a pointwise `first`, whatever biases both stand for.
    """
    passing = reading(identity(1, dtype=convolution.weight.dtype), 0, convolution.inputs)
    return stacked(passing, convolution)


def without_ones(convolution: Convolution) -> Convolution:
    """The convolution of x alone that makes the same as one of `cat([ones, x])`, by an ordinary bias.

    The bias is the sum of the kernel on the ones. That is exact when this kernel is zero beside its centre, and
    otherwise wrong on the ring where it leaves the picture.
    """
    ones = convolution.weight[:, 0].double().sum(dim=(1, 2)).to(convolution.bias.dtype)
    return Convolution(convolution.weight[:, 1:], convolution.bias + ones)


def making_ones(convolution: Convolution) -> Convolution:
    """`cat([ones, y])` for the y that the convolution makes: one more filter, first, of a zero kernel and bias 1."""
    weight = nn.functional.pad(convolution.weight, (0, 0, 0, 0, 0, 0, 1, 0))
    return Convolution(weight, nn.functional.pad(convolution.bias, (1, 0), value=1.0))


def unshifting(shift: Tensor, convolution: Convolution) -> Convolution:
    """What makes the same of `cat([ones, x + shift])` as the convolution of `cat([ones, x])`; `shift` (inputs - 1,).

    Exact, on the border too.
    """
    back = Convolution(identity(len(shift), dtype=shift.dtype).weight, -shift)
    return sequential(keeping_ones(with_ones(back)), convolution)


def behind_shuffle(first: Convolution, pointwise: Convolution, factor: int) -> Convolution:
    """`pointwise(pixel_shuffle(first(x), factor))` as `pixel_shuffle(merged(x), factor)`; returns `merged`. Exact.

    PixelShuffle takes channel c at offset (dy, dx) from channel c f^2 + dy f + dx, so each of the f^2 offsets k is a
    convolution of its own that `pointwise` follows:

        W[o f^2 + k] = sum over c of P[o, c] W1[c f^2 + k],    b[o f^2 + k] = p[o] + sum over c of P[o, c] b1[c f^2 + k]

    Raises:
        ValueError: `pointwise` is not 1x1, or does not take what PixelShuffle gives.
    """
    offsets = factor**2
    if not pointwise.is_pointwise or first.outputs != pointwise.inputs * offsets:
        raise ValueError(
            f"expected a 1x1 convolution of {first.outputs / offsets:g} channels, got {tuple(pointwise.weight.shape)}"
        )
    mix = pointwise.weight.double()[:, :, 0, 0]
    weight = first.weight.double().reshape(pointwise.inputs, offsets, *first.weight.shape[1:])
    bias = first.bias.double().reshape(pointwise.inputs, offsets)
    merged = torch.einsum("oc,ckihw->okihw", mix, weight).flatten(0, 1)
    return _like(first, merged, (mix @ bias + pointwise.bias.double()[:, None]).flatten())


def _centred(weight: Tensor, size_hw: list[int]) -> Tensor:
    top, left = ((size - side) // 2 for size, side in zip(size_hw, weight.shape[2:], strict=True))
    return nn.functional.pad(weight, (left, left, top, top))


def _like(original: Convolution, weight: Tensor, bias: Tensor) -> Convolution:
    dtype = original.weight.dtype
    return Convolution(weight.to(dtype).contiguous(), bias.to(dtype))
