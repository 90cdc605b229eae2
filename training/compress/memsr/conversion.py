"""MemSR's conversion: a residual teacher as a plain network with the same output (sec. 3.2). A skip becomes channels
that are carried beside the body. With x0 behind the head, x before a block and h inside it, the layers of a teacher of
n blocks hold

    x0,   (cat(h, x, x0), cat(x, x0)) for each block,   x0 + the last convolution of x

so a teacher of 16 blocks and 64 channels becomes the widths 64, (192, 128) x 16, 64: the global skip x0 travels beside
every block until the last layer adds it, and the teacher's tail stays a tail. ReLU must not cut carried channels off,
so a constant C is added to them. The next layer subtracts it through its kernel on a channel of ones, exactly, also on
the border.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, cast

import torch
from torch import Tensor, nn

from sr_infer.errors import ModelError
from training.networks import EDSR, OnesPlain, OnesPlainConfig
from training.networks.blocks import ResidualBlock
from training.networks.convolution_algebra import (
    Convolution,
    identity,
    parallel,
    reading,
    stacked,
    with_ones,
    without_ones,
)
from training.networks.plain_ones import Floor

CONSTANT_PER_FEATURE = 2.0
"""C over the largest |feature| on the calibration patches."""


def check_teacher(network: nn.Module) -> EDSR:
    """The network as a teacher.

    Raises:
        ModelError: it is not a residual network whose tail is one convolution and PixelShuffle.
    """
    if not isinstance(network, EDSR) or network.config.tail != "shuffle":
        raise ModelError(
            "a MemSR teacher is a network of the architecture edsr with the tail shuffle, such as SRPN-Lite or that of "
            f"training/recipes/paper/memsr-teacher-m-x4.toml; got {type(network).__name__}"
        )
    return network


def teacher_layers(teacher: EDSR) -> list[Convolution]:
    """The kernels of the equivalent plain network, each on a channel of ones and the features of the layer before.

    The last one is the tail's. They compute the features before ReLU, without C.
    """
    width, scale = teacher.config.width, teacher.config.residual_scale
    blocks, last, tail = _body_and_tail(teacher)
    layers = [_convolution(teacher.head)]
    for index, block in enumerate(blocks):
        inner, carried = block.conv1.out_channels, width if index == 0 else 2 * width
        x = identity(width, dtype=teacher.head.weight.dtype)
        x0 = reading(x, carried - width, carried)
        layers.append(stacked(stacked(reading(_convolution(block.conv1), 0, carried), reading(x, 0, carried)), x0))
        carried = inner + 2 * width
        residual = _convolution(block.conv2, scale)
        added = parallel(reading(residual, 0, carried), reading(x, inner, carried))
        layers.append(stacked(added, reading(x, inner + width, carried)))
    x0 = reading(identity(width, dtype=teacher.head.weight.dtype), width, 2 * width)
    layers.append(parallel(reading(_convolution(last), 0, 2 * width), x0))
    return [with_ones(layer) for layer in (*layers, _convolution(tail))]


def rectified_channels(teacher: EDSR) -> list[int]:
    """The number of leading channels of each layer that pass through ReLU in the teacher; the others are carried."""
    return [0, *(count for inner in teacher.config.inner_widths for count in (inner, 0)), 0]


def teacher_features(teacher: EDSR, lr: Tensor) -> Iterator[Tensor]:
    """The features of each layer of the plain network, (N, channels, H, W), after ReLU and without C.

    They are computed by the teacher itself, at its own cost.
    """
    blocks, last, _ = _body_and_tail(teacher)
    x0 = x = teacher.head(teacher.sub_mean(lr))
    yield x0
    for block in blocks:
        features = torch.cat((block.conv1(x).relu(), x, x0), dim=1)
        yield features
        hidden, x, x0 = features.split((block.conv1.out_channels, x.shape[1], x0.shape[1]), dim=1)
        features = torch.cat((x + teacher.config.residual_scale * block.conv2(hidden), x0), dim=1)
        yield features
        x, x0 = features.chunk(2, dim=1)
    yield x0 + last(x)


@torch.no_grad()
def carrying_constant(teacher: EDSR, batches: Iterable[Tensor]) -> float:
    """C: twice the largest |feature| on calibration patches, each (N, 3, h, w) in the teacher's range."""
    largest = (f.abs().max().item() for lr in batches for f in teacher_features(teacher, lr))
    return CONSTANT_PER_FEATURE * max(largest)


@torch.no_grad()
def clipped_share(teacher: EDSR, constant: float, batches: Iterable[Tensor]) -> float:
    """The share of carried values that stay negative with this constant, so that ReLU cuts them off."""
    clipped = values = 0
    for lr in batches:
        for rectified, features in zip(rectified_channels(teacher), teacher_features(teacher, lr), strict=True):
            carried = features[:, rectified:]
            clipped += int((carried < -constant).sum())
            values += carried.numel()
    return clipped / values


def assemble(
    teacher: EDSR,
    layers: Sequence[Convolution],
    floors: Sequence[Tensor],
    activation: Literal["every", "second"] = "every",
) -> OnesPlain:
    """The plain network of these kernels between the teacher's mean shifts.

    Args:
        teacher: gives scale, range and mean shifts.
        layers: as `teacher_layers` gives them, the tail's last.
        floors: of each layer but the tail, see `training.networks.plain_ones`.
        activation: see `PlainConfig`.
    """
    scale, value_range = teacher.config.scale, teacher.config.value_range
    widths = tuple(layer.outputs for layer in layers[:-1])
    config = OnesPlainConfig(scale=scale, widths=widths, activation=activation, value_range=value_range)
    network = OnesPlain(config).to(layers[0].weight.dtype)
    head = without_ones(layers[0])
    network.layers[0].load_state_dict({"weight": head.weight, "bias": head.bias})
    for module, layer in zip((*network.layers[1:], network.tail[0]), layers[1:], strict=True):
        module.load_state_dict({"weight": layer.weight})
    for activation_module, floor in zip(network.activations, floors, strict=True):
        if isinstance(activation_module, Floor):
            activation_module.floor.copy_(floor)
    network.sub_mean.load_state_dict(teacher.sub_mean.state_dict())
    network.add_mean.load_state_dict(teacher.add_mean.state_dict())
    return network.eval()


def _body_and_tail(teacher: EDSR) -> tuple[list[ResidualBlock], nn.Conv2d, nn.Conv2d]:
    """The blocks, the convolution behind them, and the tail's."""
    *blocks, last = teacher.body
    return cast(list[ResidualBlock], blocks), cast(nn.Conv2d, last), cast(nn.Conv2d, teacher.tail[0])


def _convolution(layer: nn.Conv2d, factor: float = 1.0) -> Convolution:
    return Convolution(layer.weight.detach() * factor, cast(Tensor, layer.bias).detach() * factor)
