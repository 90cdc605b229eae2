"""EDSR (Lim et al., CVPRW 2017), and with the other tail SRPN-Lite (Zhang et al., "Learning Efficient Image
Super-Resolution Networks via Structure-Regularized Pruning", ICLR 2022): 16 residual blocks of 45 channels.
"""

from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from sr_infer.errors import OptionError
from training.networks.blocks import MeanShift, ResidualBlock, Upsampler, conv3x3


@dataclass(frozen=True, kw_only=True)
class EDSRConfig:
    """The EDSR baseline by default.

    Raises:
        OptionError: a scale other than 2, 3, 4, an unknown tail, or inner widths that are not one a block.
    """

    scale: int
    blocks: int = 16
    width: int = 64
    inner_widths: tuple[int, ...] = ()
    """Channels inside each block; empty means `width` in all."""
    tail: Literal["upsampler", "shuffle"] = "upsampler"
    """EDSR's upsampler and convolution, or SRPN-Lite's single convolution and PixelShuffle."""
    residual_scale: float = 1.0
    value_range: float = 255.0

    def __post_init__(self) -> None:
        if self.scale not in (2, 3, 4):
            raise OptionError(f"EDSR's scale is 2, 3 or 4, not {self.scale}")
        if self.tail not in ("upsampler", "shuffle"):
            raise OptionError(f'tail is "upsampler" or "shuffle", not {self.tail!r}')
        if not self.inner_widths:
            object.__setattr__(self, "inner_widths", (self.width,) * self.blocks)
        if len(self.inner_widths) != self.blocks:
            raise OptionError(f"inner_widths needs {self.blocks} entries, got {len(self.inner_widths)}")


class EDSR(nn.Module):
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
            self.tail = nn.Sequential(Upsampler(width, config.scale), conv3x3(width, 3))
        else:
            self.tail = nn.Sequential(conv3x3(width, 3 * config.scale**2), nn.PixelShuffle(config.scale))
        self.add_mean = MeanShift(1, config.value_range)

    def forward(self, lr: Tensor) -> Tensor:
        x = self.head(self.sub_mean(lr))
        return self.add_mean(self.tail(x + self.body(x)))
