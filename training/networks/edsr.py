"""EDSR (Lim et al., CVPRW 2017) and, with the other tail, SRPN-Lite (Zhang et al., "Learning Efficient Image
Super-Resolution Networks via Structure-Regularized Pruning", ICLR 2022): 16 residual blocks of 45 channels.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn

from sr_infer.errors import OptionError
from training.networks.blocks import UPSAMPLING_FACTORS, MeanShift, ResidualBlock, Upsampler, conv3x3, upsampler_widths
from training.networks.interface import SingleImageConfig, SingleImageNetwork
from training.networks.widths import fill_widths


@dataclass(frozen=True, kw_only=True)
class EDSRConfig(SingleImageConfig):
    """The EDSR baseline by default.

    Raises:
        OptionError: a scale other than 2, 3, 4, an unknown tail, inner widths that are not one a block, or
            upsampler widths that are not one a PixelShuffle.
    """

    scale: int
    blocks: int = 16
    width: int = 64
    inner_widths: tuple[int, ...] = ()
    """Channels inside each block; empty means `width` in all."""
    tail: Literal["upsampler", "shuffle"] = "upsampler"
    """EDSR's upsampler and convolution, or SRPN-Lite's single convolution and PixelShuffle."""
    upsampler_widths: tuple[int, ...] = ()
    """Channels after each PixelShuffle of EDSR's upsampler; empty means `width`."""
    residual_scale: float = 1.0
    value_range: float = 255.0

    def __post_init__(self) -> None:
        if self.scale not in (2, 3, 4):
            raise OptionError(f"EDSR's scale is 2, 3 or 4, not {self.scale}")
        if self.tail not in ("upsampler", "shuffle"):
            raise OptionError(f'tail is "upsampler" or "shuffle", not {self.tail!r}')
        fill_widths(self, "inner_widths", (self.width,) * self.blocks)
        shuffles = len(UPSAMPLING_FACTORS[self.scale]) if self.tail == "upsampler" else 0
        fill_widths(self, "upsampler_widths", (self.width,) * shuffles)

    def with_widths_of(self, shapes: Mapping[str, torch.Size]) -> "EDSRConfig":
        """This configuration with the widths of tensors that have these shapes, by their names in the state."""
        upsampler = upsampler_widths("tail.0", self.scale, shapes) if self.tail == "upsampler" else ()
        inner = tuple(shapes[f"body.{block}.conv1.weight"][0] for block in range(self.blocks))
        return replace(self, width=shapes["head.weight"][0], inner_widths=inner, upsampler_widths=upsampler)


class EDSR(SingleImageNetwork):
    """Takes (N, 3, H, W), gives (N, 3, scale H, scale W), both RGB in 0 .. `config.value_range`."""

    def __init__(self, config: EDSRConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.sub_mean = MeanShift(-1, config.value_range)
        self.head = conv3x3(3, width)
        self.body = nn.Sequential(
            *(ResidualBlock(width, inner, config.residual_scale) for inner in config.inner_widths),
            conv3x3(width, width),
        )
        if config.tail == "upsampler":
            self.tail = nn.Sequential(
                Upsampler(width, config.upsampler_widths, config.scale), conv3x3(config.upsampler_widths[-1], 3)
            )
        else:
            self.tail = nn.Sequential(conv3x3(width, 3 * config.scale**2), nn.PixelShuffle(config.scale))
        self.add_mean = MeanShift(1, config.value_range)

    def forward(self, lr: Tensor) -> Tensor:
        x = self.head(self.sub_mean(lr))
        return self.add_mean(self.tail(x + self.body(x)))
