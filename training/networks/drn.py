"""DRN, the dual regression network (Guo et al., "Towards Lightweight Super-Resolution with Dual Regression Learning",
arXiv 2207.07929): a U-net that goes down from the bicubic picture and up through channel-attention blocks, with an
output image at every resolution. The compressed networks S30, S50 and S70 differ from DRN-S by their inner widths
alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from sr_infer.errors import OptionError
from training.networks.blocks import MeanShift, conv3x3
from training.networks.widths import fill_widths


@dataclass(frozen=True, kw_only=True)
class DRNConfig:
    """DRN-S x4 by default. An empty width list means dense: each inner layer is as wide as the layers around it.

    Raises:
        OptionError: a scale other than 2, 4, 8, or lists of the wrong length.
    """

    scale: int
    blocks: int = 30
    """Attention blocks a stage."""
    features: int = 16
    """Channels at the full resolution; each step down doubles them."""
    down_widths: tuple[int, ...] = ()
    """Inner width of each step down, finest first."""
    block_widths: tuple[tuple[int, ...], ...] = ()
    """Inner widths of each stage's blocks, coarsest stage first."""
    upsampler_widths: tuple[int, ...] = ()
    """Channels after each stage's PixelShuffle."""
    level_widths: tuple[int, ...] = ()
    """Channels at each resolution on the way down, finest first."""
    stage_widths: tuple[int, ...] = ()
    """Output channels of each stage, coarsest stage first."""
    attention_widths: tuple[tuple[int, ...], ...] = ()
    """Channels inside each block's attention, coarsest stage first; dense means a 16th of the stage's channels."""
    negative_slope: float = 0.2
    value_range: float = 255.0

    def __post_init__(self) -> None:
        if self.scale not in (2, 4, 8):
            raise OptionError(
                f"DRN halves the picture step by step, so its scale is 2, 4 or 8, not {self.scale}; use edsr for 3"
            )
        widths = tuple(self.features * 2**step for step in range(self.steps + 1))
        fill_widths(self, "level_widths", widths)
        fill_widths(self, "down_widths", self.level_widths[:-1])
        fill_widths(self, "stage_widths", widths[-2::-1])
        fill_widths(self, "upsampler_widths", self.trunk_widths)
        fill_widths(self, "block_widths", tuple((trunk,) * self.blocks for trunk in self.trunk_widths))
        fill_widths(self, "attention_widths", tuple((trunk // 16,) * self.blocks for trunk in self.trunk_widths))

    def with_widths_of(self, shapes: Mapping[str, torch.Size]) -> "DRNConfig":
        """This configuration with the widths of tensors that have these shapes, by their names in the state."""

        def filters(name: str) -> int:
            return shapes[f"{name}.weight"][0]

        steps, blocks = range(self.steps), range(self.blocks)
        return replace(
            self,
            down_widths=tuple(filters(f"down.{step}.conv1") for step in steps),
            block_widths=tuple(tuple(filters(f"up.{stage}.blocks.{b}.conv1") for b in blocks) for stage in steps),
            upsampler_widths=tuple(filters(f"up.{stage}.upsampler") // 4 for stage in steps),
            level_widths=(filters("head"), *(filters(f"down.{step}.conv2") for step in steps)),
            stage_widths=tuple(filters(f"up.{stage}.squeeze") for stage in steps),
            attention_widths=tuple(tuple(filters(f"up.{stage}.blocks.{b}.squeeze") for b in blocks) for stage in steps),
        )

    @property
    def steps(self) -> int:
        return self.scale.bit_length() - 1

    @property
    def downscale_factors(self) -> tuple[int, ...]:
        """Factors by which the input and each target are smaller than the HR picture, the input first."""
        return tuple(2**step for step in range(self.steps, -1, -1))

    @property
    def dual_features(self) -> int:
        """Inner channels of this network's dual networks."""
        return self.features

    @property
    def trunk_widths(self) -> tuple[int, ...]:
        """Channels of each stage, coarsest first."""
        joined = zip(self.stage_widths, self.level_widths[-2::-1], strict=True)
        return (self.level_widths[-1], *(stage + level for stage, level in joined))[: self.steps]


class DRN(nn.Module):
    """Takes (N, 3, H, W), gives (N, 3, scale H, scale W), both RGB in 0 .. `config.value_range`."""

    def __init__(self, config: DRNConfig) -> None:
        super().__init__()
        self.config = config
        levels = config.level_widths
        self.sub_mean = MeanShift(-1, config.value_range)
        self.head = conv3x3(3, levels[0])
        self.down = nn.ModuleList(
            _StepDown(inputs, inner, outputs, config.negative_slope)
            for inputs, inner, outputs in zip(levels, config.down_widths, levels[1:], strict=False)
        )
        self.up = nn.ModuleList(
            _StageUp(*widths)
            for widths in zip(
                config.trunk_widths,
                config.block_widths,
                config.attention_widths,
                config.upsampler_widths,
                config.stage_widths,
                strict=True,
            )
        )
        self.tails = nn.ModuleList(
            conv3x3(width, 3) for width in (*config.trunk_widths, config.stage_widths[-1] + levels[0])
        )
        self.add_mean = MeanShift(1, config.value_range)

    def forward(self, lr: Tensor) -> Tensor:
        return self.add_mean(self.tails[-1](self._features(lr)[-1]))

    def pyramid(self, lr: Tensor) -> list[Tensor]:
        """The images of every resolution, 1x, 2x, .. scale; the last is the result of `forward`."""
        return [self.add_mean(tail(x)) for tail, x in zip(self.tails, self._features(lr), strict=True)]

    def _features(self, lr: Tensor) -> list[Tensor]:
        # The mean shift acts on single pixels, so it commutes with the upsampling and is cheaper before it.
        scale = float(self.config.scale)
        x = nn.functional.interpolate(self.sub_mean(lr), scale_factor=scale, mode="bicubic", align_corners=False)
        x = self.head(x)
        copies = []
        for down in self.down:
            copies.append(x)
            x = down(x)
        features = [x]
        for up in self.up:
            x = torch.cat((up(x), copies.pop()), dim=1)
            features.append(x)
        return features


class DualStep(nn.Sequential):
    """The dual network of one step: from an image of `stride` times the size to the smaller one (section 3.1)."""

    def __init__(self, features: int, stride: int = 2) -> None:
        super().__init__(
            conv3x3(3, features, stride=stride, bias=False),
            nn.LeakyReLU(0.2),
            conv3x3(features, 3, bias=False),
        )


class _StepDown(nn.Module):
    def __init__(self, inputs: int, inner: int, outputs: int, negative_slope: float) -> None:
        super().__init__()
        self.conv1 = conv3x3(inputs, inner, stride=2, bias=False)
        self.activation = nn.LeakyReLU(negative_slope)
        self.conv2 = conv3x3(inner, outputs, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv2(self.activation(self.conv1(x)))


class _StageUp(nn.Module):
    def __init__(
        self,
        trunk: int,
        block_widths: tuple[int, ...],
        attention_widths: tuple[int, ...],
        upsampler_width: int,
        outputs: int,
    ) -> None:
        super().__init__()
        self.blocks = nn.Sequential(
            *(_AttentionBlock(trunk, *widths) for widths in zip(block_widths, attention_widths, strict=True))
        )
        self.upsampler = conv3x3(trunk, 4 * upsampler_width)
        self.shuffle = nn.PixelShuffle(2)
        self.squeeze = nn.Conv2d(upsampler_width, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.squeeze(self.shuffle(self.upsampler(self.blocks(x))))


class _AttentionBlock(nn.Module):
    """RCAN's residual channel attention block (Zhang et al. 2018)."""

    def __init__(self, trunk: int, inner: int, attention: int) -> None:
        super().__init__()
        self.conv1 = conv3x3(trunk, inner)
        self.conv2 = conv3x3(inner, trunk)
        self.squeeze = nn.Conv2d(trunk, attention, 1)
        self.excite = nn.Conv2d(attention, trunk, 1)

    def forward(self, x: Tensor) -> Tensor:
        residual = self.conv2(self.conv1(x).relu())
        pooled = residual.mean(dim=(2, 3), keepdim=True)
        return x + residual * self.excite(self.squeeze(pooled).relu()).sigmoid()
