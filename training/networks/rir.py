"""SRPN's network: residual in residual, that is RCAN (Zhang et al., ECCV 2018) without its channel attention, as pruned
in "Learning Efficient Image Super-Resolution Networks via Structure-Regularized Pruning" (ICLR 2022).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from sr_infer.errors import OptionError
from training.networks.blocks import UPSAMPLING_FACTORS, MeanShift, ResidualBlock, Upsampler, conv3x3, upsampler_widths
from training.networks.interface import SingleImageConfig, SingleImageNetwork
from training.networks.widths import fill_widths


@dataclass(frozen=True, kw_only=True)
class RIRConfig(SingleImageConfig):
    """SRPN (96 channels pruned to 64) by default.

    Raises:
        OptionError: a scale other than 2, 3, 4, inner widths that are not one a block, or upsampler widths that are
            not one a PixelShuffle.
    """

    scale: int
    groups: int = 10
    blocks: int = 20
    """Residual blocks a group."""
    width: int = 64
    inner_widths: tuple[tuple[int, ...], ...] = ()
    """Channels inside each block of each group; empty means `width` in all."""
    upsampler_widths: tuple[int, ...] = ()
    """Channels after each PixelShuffle of the upsampler; empty means `width`."""
    value_range: float = 255.0

    def __post_init__(self) -> None:
        if self.scale not in (2, 3, 4):
            raise OptionError(f"SRPN's scale is 2, 3 or 4, not {self.scale}")
        fill_widths(self, "inner_widths", ((self.width,) * self.blocks,) * self.groups)
        fill_widths(self, "upsampler_widths", (self.width,) * len(UPSAMPLING_FACTORS[self.scale]))

    def with_widths_of(self, shapes: Mapping[str, torch.Size]) -> "RIRConfig":
        """This configuration with the widths of tensors that have these shapes, by their names in the state."""
        inner = tuple(
            tuple(shapes[f"body.{group}.body.{block}.conv1.weight"][0] for block in range(self.blocks))
            for group in range(self.groups)
        )
        upsampler = upsampler_widths("tail.0", self.scale, shapes)
        return replace(self, width=shapes["head.weight"][0], inner_widths=inner, upsampler_widths=upsampler)


class RIR(SingleImageNetwork):
    """Takes (N, 3, H, W), gives (N, 3, scale H, scale W), both RGB in 0 .. `config.value_range`."""

    def __init__(self, config: RIRConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.sub_mean = MeanShift(-1, config.value_range)
        self.head = conv3x3(3, width)
        self.body = nn.Sequential(*(_Group(width, inner) for inner in config.inner_widths), conv3x3(width, width))
        self.tail = nn.Sequential(
            Upsampler(width, config.upsampler_widths, config.scale), conv3x3(config.upsampler_widths[-1], 3)
        )
        self.add_mean = MeanShift(1, config.value_range)

    def forward(self, lr: Tensor) -> Tensor:
        x = self.head(self.sub_mean(lr))
        return self.add_mean(self.tail(x + self.body(x)))


class _Group(nn.Module):
    def __init__(self, width: int, inner_widths: tuple[int, ...]) -> None:
        super().__init__()
        self.body = nn.Sequential(*(ResidualBlock(width, inner) for inner in inner_widths), conv3x3(width, width))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)
