"""MemSR's Lightning checkpoints: the plain student and the residual teacher, with their ones channel in an exact form.

A convolution without bias reads a channel of ones at index 0 beside its features, and both are padded with zeros. The
kernel K on the ones is a bias inside the picture and something else on its border, so it cannot become one. What is
exact is the sum of two convolutions,

    W * pad([1, x]) = W[:, 1:] * pad(x) + W[:, :1] * pad(1)

whose second part costs nine multiplications an output.
"""

from math import isqrt

import torch
from torch import Tensor, nn

from exporters.checkpoints.source import Source, count, shape, third_party_source
from sr_infer.errors import ModelError
from training.networks.blocks import MeanShift

VALUE_RANGE = 255.0
STUDENT = "plain_model."
INFERENCE = "plain_model.sequential_models."
TEACHER = "model.sequential_models."


def recognises_student(state: dict[str, Tensor]) -> bool:
    return f"{STUDENT}0.conv.weight" in state or f"{INFERENCE}0.conv.weight" in state


def recognises_teacher(state: dict[str, Tensor]) -> bool:
    return f"{TEACHER}1.sequential_models.0.sequential_models.0.conv.weight" in state


def read_student(state: dict[str, Tensor]) -> Source:
    """
    Raises:
        ModelError: tensors are missing or misshapen.
    """
    prefix = INFERENCE if f"{INFERENCE}0.conv.weight" in state else STUDENT
    convolutions = count(state, prefix + "{}.conv.weight")
    simple_tail = shape(state, f"{prefix}{convolutions - 1}.conv.weight")[2:] == (1, 1)
    layers = convolutions - 1 if simple_tail else convolutions
    network = Student(
        [OnesConvolution(state[f"{prefix}{index}.conv.weight"]) for index in range(layers)],
        _tail(state, f"{prefix}{layers}.", has_ones=True),
    )
    return third_party_source("plain", network, scale=network.tail.scale, value_range=VALUE_RANGE, origin="MemSR")


def read_teacher(state: dict[str, Tensor]) -> Source:
    """
    Raises:
        ModelError: tensors are missing or misshapen.
    """
    body = f"{TEACHER}1.sequential_models."
    blocks = count(state, body + "{}.sequential_models.0.conv.weight")
    network = Teacher(
        _mean_shift(state, f"{TEACHER}0.sub_mean"),
        _convolution(state, f"{TEACHER}0.conv"),
        [
            Block(
                OnesConvolution(_tensor(state, f"{body}{block}.sequential_models.0.conv.weight")),
                OnesConvolution(_tensor(state, f"{body}{block}.sequential_models.1.conv.weight")),
            )
            for block in range(blocks)
        ],
        OnesConvolution(_tensor(state, f"{body}{blocks}.conv.weight")),
        _tail(state, f"{TEACHER}2.", has_ones=False),
    )
    return third_party_source(
        "edsr", network, scale=network.tail.scale, value_range=VALUE_RANGE, origin="MemSR (teacher)"
    )


class OnesConvolution(nn.Module):
    """`weight` (outputs, 1 + inputs, k, k) on features behind a channel of ones."""

    def __init__(self, weight: Tensor, bias: Tensor | None = None) -> None:
        super().__init__()
        outputs, inputs, size = weight.shape[0], weight.shape[1], weight.shape[2]
        self.features = nn.Conv2d(inputs - 1, outputs, size, padding=size // 2, bias=bias is not None)
        self.ones = nn.Conv2d(1, outputs, size, padding=size // 2, bias=False)
        with torch.no_grad():
            self.features.weight.copy_(weight[:, 1:])
            self.ones.weight.copy_(weight[:, :1])
            if bias is not None and self.features.bias is not None:
                self.features.bias.copy_(bias)

    def forward(self, x: Tensor, ones: Tensor) -> Tensor:
        result: Tensor = self.features(x) + self.ones(ones)
        return result


class Tail(nn.Module):
    """A convolution and PixelShuffle, or EDSR's upsampler and last convolution; the mean is added at the end."""

    def __init__(self, first: nn.Module, rest: nn.Sequential, scale: int, add_mean: MeanShift) -> None:
        super().__init__()
        self.first = first
        self.rest = rest
        self.scale = scale
        self.add_mean = add_mean

    def forward(self, x: Tensor, ones: Tensor) -> Tensor:
        x = self.first(x, ones) if isinstance(self.first, OnesConvolution) else self.first(x)
        result: Tensor = self.add_mean(self.rest(x))
        return result


class Student(nn.Module):
    """Takes and gives RGB in 0..255. The layers keep the activations of the teacher that they were made of: ReLU behind
    every odd one but the last.
    """

    def __init__(self, layers: list[OnesConvolution], tail: Tail) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.tail = tail

    def forward(self, lr: Tensor) -> Tensor:
        ones = torch.ones_like(lr[:1, :1])
        x = lr
        for index, layer in enumerate(self.layers):
            x = layer(x, ones)
            if index % 2 == 1 and index < len(self.layers) - 1:
                x = x.relu()
        result: Tensor = self.tail(x, ones)
        return result


class Block(nn.Module):
    """`x + second(relu(first(x)))`."""

    def __init__(self, first: OnesConvolution, second: OnesConvolution) -> None:
        super().__init__()
        self.first = first
        self.second = second

    def forward(self, x: Tensor, ones: Tensor) -> Tensor:
        result: Tensor = x + self.second(self.first(x, ones).relu(), ones)
        return result


class Teacher(nn.Module):
    """EDSR with ones channels; takes and gives RGB in 0..255."""

    def __init__(
        self, sub_mean: MeanShift, head: nn.Conv2d, blocks: list[Block], last: OnesConvolution, tail: Tail
    ) -> None:
        super().__init__()
        self.sub_mean = sub_mean
        self.head = head
        self.blocks = nn.ModuleList(blocks)
        self.last = last
        self.tail = tail

    def forward(self, lr: Tensor) -> Tensor:
        ones = torch.ones_like(lr[:1, :1])
        first = self.head(self.sub_mean(lr))
        x = first
        for block in self.blocks:
            x = block(x, ones)
        result: Tensor = self.tail(first + self.last(x, ones), ones)
        return result


def _tail(state: dict[str, Tensor], prefix: str, *, has_ones: bool) -> Tail:
    if f"{prefix}conv.weight" in state:
        first, outputs = (
            _first_of_tail(state, f"{prefix}conv", has_ones=has_ones),
            shape(state, f"{prefix}conv.weight")[0],
        )
        scale = isqrt(outputs // 3)
        return Tail(first, nn.Sequential(nn.PixelShuffle(scale)), scale, _mean_shift(state, f"{prefix}add_mean"))
    last = _convolution(state, f"{prefix}tail.1")
    outputs = shape(state, f"{prefix}tail.0.0.weight")[0]
    twice = f"{prefix}tail.0.2.weight" in state
    factor = 2 if twice else isqrt(outputs // last.in_channels)
    rest: list[nn.Module] = [nn.PixelShuffle(factor)]
    if twice:
        rest += [_convolution(state, f"{prefix}tail.0.2"), nn.PixelShuffle(2)]
    return Tail(
        _first_of_tail(state, f"{prefix}tail.0.0", has_ones=has_ones),
        nn.Sequential(*rest, last),
        4 if twice else factor,
        _mean_shift(state, f"{prefix}add_mean"),
    )


def _first_of_tail(state: dict[str, Tensor], name: str, *, has_ones: bool) -> nn.Module:
    if has_ones:
        return OnesConvolution(_tensor(state, f"{name}.weight"), state.get(f"{name}.bias"))
    return _convolution(state, name)


def _convolution(state: dict[str, Tensor], name: str) -> nn.Conv2d:
    weight, bias = _tensor(state, f"{name}.weight"), state.get(f"{name}.bias")
    outputs, inputs, size = weight.shape[:3]
    layer = nn.Conv2d(inputs, outputs, size, padding=size // 2, bias=bias is not None)
    with torch.no_grad():
        layer.weight.copy_(weight)
        if bias is not None and layer.bias is not None:
            layer.bias.copy_(bias)
    return layer


def _mean_shift(state: dict[str, Tensor], name: str) -> MeanShift:
    shift = MeanShift(1, VALUE_RANGE)
    weight, bias = _tensor(state, f"{name}.weight"), _tensor(state, f"{name}.bias")
    if weight.shape != (3, 3, 1, 1) or bias.shape != (3,):
        raise ModelError(f"misshapen: {name}.weight {tuple(weight.shape)}, expected (3, 3, 1, 1)")
    shift.weight.data, shift.bias.data = weight[:, :, 0, 0].float(), bias.float()
    return shift


def _tensor(state: dict[str, Tensor], name: str) -> Tensor:
    shape(state, name)
    return state[name]
