"""DRN, the dual regression network (Guo et al., "Towards Lightweight Super-Resolution with Dual Regression Learning",
arXiv 2207.07929): a U-net that goes down from the bicubic picture and up again through channel-attention blocks, with
an image at every resolution. The compressed networks S30, S50 and S70 differ from DRN-S by their inner widths alone.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sr_infer.errors import OptionError
from training.networks.blocks import MeanShift, conv3x3


@dataclass(frozen=True, kw_only=True)
class DRNConfig:
    """DRN-S x4 by default. An empty width list means dense: each inner layer as wide as what surrounds it.

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
    """Channels behind each stage's PixelShuffle."""
    negative_slope: float = 0.2
    value_range: float = 255.0

    def __post_init__(self) -> None:
        if self.scale not in (2, 4, 8):
            raise OptionError(
                f"DRN halves the picture step by step, so its scale is 2, 4 or 8, not {self.scale}; use edsr for 3"
            )
        trunks = self.trunk_widths
        dense = {
            "down_widths": tuple(self.features * 2**step for step in range(self.steps)),
            "block_widths": tuple((trunk,) * self.blocks for trunk in trunks),
            "upsampler_widths": trunks,
        }
        for name, widths in dense.items():
            if not getattr(self, name):
                object.__setattr__(self, name, widths)
            if len(getattr(self, name)) != self.steps:
                raise OptionError(f"{name} needs {self.steps} entries at x{self.scale}, got {len(getattr(self, name))}")
        for stage, widths in enumerate(self.block_widths):
            if len(widths) != self.blocks:
                raise OptionError(f"block_widths[{stage}] needs {self.blocks} entries, got {len(widths)}")

    @property
    def steps(self) -> int:
        return self.scale.bit_length() - 1

    @property
    def trunk_widths(self) -> tuple[int, ...]:
        """Channels that each stage works at, coarsest first."""
        return tuple(self.features * 2 ** min(self.steps, self.steps + 1 - stage) for stage in range(self.steps))


class DRN(nn.Module):
    """Takes (N, 3, H, W), gives (N, 3, scale H, scale W), both RGB in 0 .. `config.value_range`."""

    def __init__(self, config: DRNConfig) -> None:
        super().__init__()
        self.config = config
        finest = config.features
        self.sub_mean = MeanShift(-1, config.value_range)
        self.head = conv3x3(3, finest)
        self.down = nn.ModuleList(
            _StepDown(finest * 2**step, inner, finest * 2 ** (step + 1), config.negative_slope)
            for step, inner in enumerate(config.down_widths)
        )
        self.up = nn.ModuleList(
            _StageUp(trunk, blocks, upsampler, finest * 2 ** (config.steps - 1 - stage))
            for stage, (trunk, blocks, upsampler) in enumerate(
                zip(config.trunk_widths, config.block_widths, config.upsampler_widths, strict=True)
            )
        )
        self.tails = nn.ModuleList(conv3x3(finest * 2**step, 3) for step in range(config.steps, 0, -1))
        self.tails.insert(0, conv3x3(finest * 2**config.steps, 3))
        self.add_mean = MeanShift(1, config.value_range)

    def forward(self, lr: Tensor) -> Tensor:
        return self.add_mean(self.tails[-1](self._features(lr)[-1]))

    def pyramid(self, lr: Tensor) -> list[Tensor]:
        """The images of every resolution, 1x, 2x, .. scale; the last is what `forward` gives."""
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
    """The dual network of one step: an image of twice the size back to the smaller one (section 3.1; no biases)."""

    def __init__(self, features: int, negative_slope: float = 0.2) -> None:
        super().__init__(
            conv3x3(3, features, stride=2, bias=False),
            nn.LeakyReLU(negative_slope),
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
    def __init__(self, trunk: int, block_widths: tuple[int, ...], upsampler_width: int, outputs: int) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*(_AttentionBlock(trunk, inner) for inner in block_widths))
        self.upsampler = conv3x3(trunk, 4 * upsampler_width)
        self.shuffle = nn.PixelShuffle(2)
        self.squeeze = nn.Conv2d(upsampler_width, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.squeeze(self.shuffle(self.upsampler(self.blocks(x))))


class _AttentionBlock(nn.Module):
    """RCAN's residual channel attention block (Zhang et al. 2018), reduction 16."""

    def __init__(self, trunk: int, inner: int) -> None:
        super().__init__()
        self.conv1 = conv3x3(trunk, inner)
        self.conv2 = conv3x3(inner, trunk)
        self.squeeze = nn.Conv2d(trunk, trunk // 16, 1)
        self.excite = nn.Conv2d(trunk // 16, trunk, 1)

    def forward(self, x: Tensor) -> Tensor:
        residual = self.conv2(self.conv1(x).relu())
        pooled = residual.mean(dim=(2, 3), keepdim=True)
        return x + residual * self.excite(self.squeeze(pooled).relu()).sigmoid()
