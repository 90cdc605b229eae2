"""The plain network of MemSR (Wu, Lee, Ma, "MemSR: Training Memory-efficient Lightweight Model for Image
Super-Resolution", ICML 2022): a chain of 3x3 convolutions without skips, so that it needs memory for two feature maps
only.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn

from sr_infer.errors import OptionError
from training.networks.blocks import MeanShift, conv3x3
from training.networks.interface import SingleImageConfig, SingleImageNetwork


@dataclass(frozen=True, kw_only=True)
class PlainConfig(SingleImageConfig):
    """Plain-M by default: 34 layers of 64 channels and the tail.

    Raises:
        OptionError: a scale other than 2, 3, 4, an unknown activation, or no width.
    """

    scale: int
    widths: tuple[int, ...] = (64,) * 34
    """Output channels of each convolution before the tail."""
    activation: Literal["every", "second"] = "every"
    """ReLU after every convolution (the paper), or after every second one and not after the last (its code)."""
    value_range: float = 255.0

    def __post_init__(self) -> None:
        if self.scale not in (2, 3, 4):
            raise OptionError(f"the plain network's scale is 2, 3 or 4, not {self.scale}")
        if self.activation not in ("every", "second"):
            raise OptionError(f'activation is "every" or "second", not {self.activation!r}')
        if not self.widths or min(self.widths) < 1:
            raise OptionError(f"widths needs positive channel counts, got {self.widths}")

    def has_relu(self, layer: int) -> bool:
        return self.activation == "every" or (layer % 2 == 1 and layer < len(self.widths) - 1)

    def with_widths_of(self, shapes: Mapping[str, torch.Size]) -> "PlainConfig":
        """This configuration with the widths of tensors that have these shapes, by their names in the state."""
        return replace(self, widths=tuple(s[0] for n, s in shapes.items() if n.startswith("body.") and len(s) == 4))


class Plain(SingleImageNetwork):
    """Takes (N, 3, H, W), gives (N, 3, scale H, scale W), both RGB in 0 .. `config.value_range`."""

    def __init__(self, config: PlainConfig) -> None:
        super().__init__()
        self.config = config
        self.sub_mean = MeanShift(-1, config.value_range)
        self.body = nn.Sequential()
        for index, (inputs, outputs) in enumerate(zip((3, *config.widths), config.widths, strict=False)):
            self.body.append(conv3x3(inputs, outputs))
            if config.has_relu(index):
                self.body.append(nn.ReLU())
        self.tail = nn.Sequential(conv3x3(config.widths[-1], 3 * config.scale**2), nn.PixelShuffle(config.scale))
        self.add_mean = MeanShift(1, config.value_range)

    @property
    def convolutions(self) -> list[nn.Conv2d]:
        """In the order of computation, the tail's last."""
        return [module for module in (*self.body, self.tail[0]) if isinstance(module, nn.Conv2d)]

    def forward(self, lr: Tensor) -> Tensor:
        return self.add_mean(self.tail(self.body(self.sub_mean(lr))))

    def features(self, lr: Tensor) -> list[Tensor]:
        """The output of each layer before the tail, (N, width, H, W), after its ReLU if it has one."""
        x, features = self.sub_mean(lr), list[Tensor]()
        for module in self.body:
            x = module(x)
            if isinstance(module, nn.ReLU):
                features[-1] = x
            else:
                features.append(x)
        return features
