"""SRResNet (Ledig et al., CVPR 2017) in today's form: without batch normalisation, leaky ReLU, and
the bilinear picture added at the end ("MSRResNet" of ESRGAN, Wang et al., ECCVW 2018). 1,517,571 parameters at x4.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from sr_infer.errors import OptionError
from training.networks.blocks import UPSAMPLING_FACTORS, ResidualBlock, Upsampler, conv3x3, upsampler_widths
from training.networks.interface import SingleImageConfig, SingleImageNetwork
from training.networks.widths import fill_widths


@dataclass(frozen=True, kw_only=True)
class SRResNetConfig(SingleImageConfig):
    """
    Raises:
        OptionError: a scale other than 2, 3, 4, inner widths that are not one a block, or upsampler widths that are
            not one a PixelShuffle.
    """

    scale: int
    blocks: int = 16
    width: int = 64
    inner_widths: tuple[int, ...] = ()
    """Channels inside each block; empty means `width` in all."""
    upsampler_widths: tuple[int, ...] = ()
    """Channels after each PixelShuffle of the upsampler; empty means `width`."""
    last_width: int = 0
    """Channels of the convolution after the upsampler; 0 means `width`."""
    value_range: float = 1.0

    def __post_init__(self) -> None:
        if self.scale not in (2, 3, 4):
            raise OptionError(f"SRResNet's scale is 2, 3 or 4, not {self.scale}")
        fill_widths(self, "inner_widths", (self.width,) * self.blocks)
        fill_widths(self, "upsampler_widths", (self.width,) * len(UPSAMPLING_FACTORS[self.scale]))
        if not self.last_width:
            object.__setattr__(self, "last_width", self.width)

    def with_widths_of(self, shapes: Mapping[str, torch.Size]) -> "SRResNetConfig":
        """This configuration with the widths of tensors that have these shapes, by their names in the state."""
        return replace(
            self,
            width=shapes["head.weight"][0],
            inner_widths=tuple(shapes[f"body.{block}.conv1.weight"][0] for block in range(self.blocks)),
            upsampler_widths=upsampler_widths("upsampler", self.scale, shapes),
            last_width=shapes["last.weight"][0],
        )


class SRResNet(SingleImageNetwork):
    """Takes (N, 3, H, W), gives (N, 3, scale H, scale W), both RGB in 0 .. `config.value_range`."""

    def __init__(self, config: SRResNetConfig) -> None:
        super().__init__()
        self.config = config
        self.head = conv3x3(3, config.width)
        self.body = nn.Sequential(*(ResidualBlock(config.width, inner) for inner in config.inner_widths))
        self.upsampler = nn.Sequential(
            *(
                layer if isinstance(layer, nn.Conv2d) else nn.Sequential(layer, nn.LeakyReLU(0.1))
                for layer in Upsampler(config.width, config.upsampler_widths, config.scale)
            )
        )
        self.last = conv3x3(config.upsampler_widths[-1], config.last_width)
        self.tail = conv3x3(config.last_width, 3)

    def forward(self, lr: Tensor) -> Tensor:
        scale = float(self.config.scale)
        base = nn.functional.interpolate(lr, scale_factor=scale, mode="bilinear", align_corners=False)
        x = self.body(nn.functional.leaky_relu(self.head(lr), 0.1))
        x = nn.functional.leaky_relu(self.last(self.upsampler(x)), 0.1)
        return self.tail(x) + base
