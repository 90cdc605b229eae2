"""SRResNet (Ledig et al., CVPR 2017) in the form that is trained today: without batch normalisation, leaky ReLU, and
the bilinear picture added at the end ("MSRResNet" of ESRGAN, Wang et al., ECCVW 2018). 1,517,571 parameters at x4.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from sr_infer.errors import OptionError
from training.networks.blocks import ResidualBlock, Upsampler, conv3x3


@dataclass(frozen=True, kw_only=True)
class SRResNetConfig:
    """
    Raises:
        OptionError: a scale other than 2, 3, 4, or inner widths that are not one a block.
    """

    scale: int
    blocks: int = 16
    width: int = 64
    inner_widths: tuple[int, ...] = ()
    """Channels inside each block; empty means `width` in all."""
    value_range: float = 1.0

    def __post_init__(self) -> None:
        if self.scale not in (2, 3, 4):
            raise OptionError(f"SRResNet's scale is 2, 3 or 4, not {self.scale}")
        if not self.inner_widths:
            object.__setattr__(self, "inner_widths", (self.width,) * self.blocks)
        if len(self.inner_widths) != self.blocks:
            raise OptionError(f"inner_widths needs {self.blocks} entries, got {len(self.inner_widths)}")


class SRResNet(nn.Module):
    """Takes (N, 3, H, W), gives (N, 3, scale H, scale W), both RGB in 0 .. `config.value_range`."""

    def __init__(self, config: SRResNetConfig) -> None:
        super().__init__()
        self.config = config
        self.head = conv3x3(3, config.width)
        self.body = nn.Sequential(*(ResidualBlock(config.width, inner) for inner in config.inner_widths))
        self.upsampler = nn.Sequential(
            *(
                layer if isinstance(layer, nn.Conv2d) else nn.Sequential(layer, nn.LeakyReLU(0.1))
                for layer in Upsampler(config.width, config.scale)
            )
        )
        self.last = conv3x3(config.width, config.width)
        self.tail = conv3x3(config.width, 3)

    def forward(self, lr: Tensor) -> Tensor:
        scale = float(self.config.scale)
        base = nn.functional.interpolate(lr, scale_factor=scale, mode="bilinear", align_corners=False)
        x = self.body(nn.functional.leaky_relu(self.head(lr), 0.1))
        x = nn.functional.leaky_relu(self.last(self.upsampler(x)), 0.1)
        return self.tail(x) + base
