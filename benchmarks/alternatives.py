"""Well-known networks of similar quality, with random weights, to compare their cost.

Each takes (N, 3, H, W), or (N, 1, H, W) for FSRCNN, and returns an image `scale` times as high and wide.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from sr_infer.errors import OptionError


def build_alternative(name: str, scale: int) -> nn.Module:
    """Build one of `ALTERNATIVES`; seed 0 draws its weights.

    Raises:
        OptionError: `ALTERNATIVES` has no such network.
    """
    if name not in ALTERNATIVES:
        raise OptionError(f"expected one of {', '.join(ALTERNATIVES)}, got {name!r}")
    torch.manual_seed(0)
    return ALTERNATIVES[name](scale).eval()


class FSRCNN(nn.Sequential):
    """Dong, Loy, Tang, "Accelerating the Super-Resolution Convolutional Neural Network", ECCV 2016: (56, 12, 4), luma
    only."""

    channels = 1

    def __init__(self, scale: int) -> None:
        super().__init__(
            nn.Conv2d(1, 56, 5, padding=2),
            nn.PReLU(56),
            nn.Conv2d(56, 12, 1),
            nn.PReLU(12),
            *(layer for _ in range(4) for layer in (nn.Conv2d(12, 12, 3, padding=1), nn.PReLU(12))),
            nn.Conv2d(12, 56, 1),
            nn.PReLU(56),
            nn.ConvTranspose2d(56, 1, 9, scale, padding=4, output_padding=scale - 1),
        )


class Compact(nn.Module):
    """Real-ESRGAN's compact network (Wang et al., ICCVW 2021) as released for general images: 32 convolutions."""

    channels = 3

    def __init__(self, scale: int) -> None:
        super().__init__()
        self.scale = scale
        widths = [3, *[64] * 33]
        self.body = nn.Sequential(
            *(
                layer
                for inputs, outputs in pairwise(widths)
                for layer in (_conv3x3(inputs, outputs), nn.PReLU(outputs))
            ),
            _conv3x3(64, 3 * scale**2),
            nn.PixelShuffle(scale),
        )

    def forward(self, lr: Tensor) -> Tensor:
        return self.body(lr) + functional.interpolate(lr, scale_factor=float(self.scale), mode="nearest")


class IMDN(nn.Module):
    """Hui et al., "Lightweight Image Super-Resolution with Information Multi-distillation Network", ACM MM 2019."""

    channels = 3

    def __init__(self, scale: int) -> None:
        super().__init__()
        self.head = _conv3x3(3, 64)
        self.blocks = nn.ModuleList(_MultiDistillation(64) for _ in range(6))
        self.merge = nn.Sequential(nn.Conv2d(6 * 64, 64, 1), nn.LeakyReLU(0.05), _conv3x3(64, 64))
        self.tail = nn.Sequential(_conv3x3(64, 3 * scale**2), nn.PixelShuffle(scale))

    def forward(self, lr: Tensor) -> Tensor:
        return _run_distillation(self, lr)


class RFDN(nn.Module):
    """Liu, Tang, Wu, "Residual Feature Distillation Network for Lightweight Image Super-Resolution", ECCVW 2020."""

    channels = 3

    def __init__(self, scale: int) -> None:
        super().__init__()
        self.head = _conv3x3(3, 50)
        self.blocks = nn.ModuleList(_ResidualFeatureDistillation(50) for _ in range(4))
        self.merge = nn.Sequential(nn.Conv2d(4 * 50, 50, 1), nn.LeakyReLU(0.05), _conv3x3(50, 50))
        self.tail = nn.Sequential(_conv3x3(50, 3 * scale**2), nn.PixelShuffle(scale))

    def forward(self, lr: Tensor) -> Tensor:
        return _run_distillation(self, lr)


ALTERNATIVES = {"FSRCNN": FSRCNN, "Real-ESRGAN compact": Compact, "IMDN": IMDN, "RFDN": RFDN}


def _conv3x3(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1)


def _run_distillation(network: IMDN | RFDN, lr: Tensor) -> Tensor:
    x = head = network.head(lr)
    outputs = []
    for block in network.blocks:
        x = block(x)
        outputs.append(x)
    return network.tail(head + network.merge(torch.cat(outputs, dim=1)))


class _MultiDistillation(nn.Module):
    """Keeps a quarter of the channels three times and refines the rest, then applies contrast-aware attention."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.kept = width // 4
        rest = width - self.kept
        self.steps = nn.ModuleList([_conv3x3(width, width), _conv3x3(rest, width), _conv3x3(rest, width)])
        self.last = _conv3x3(rest, self.kept)
        self.attention = nn.Sequential(nn.Conv2d(width, 4, 1), nn.ReLU(), nn.Conv2d(4, width, 1), nn.Sigmoid())
        self.merge = nn.Conv2d(4 * self.kept, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        rest, kept = x, []
        for step in self.steps:
            refined = functional.leaky_relu(step(rest), 0.05)
            distilled, rest = refined[:, : self.kept], refined[:, self.kept :]
            kept.append(distilled)
        joined = torch.cat([*kept, self.last(rest)], dim=1)
        mean = joined.mean(dim=(2, 3), keepdim=True)
        contrast = (joined - mean).square().mean(dim=(2, 3), keepdim=True).sqrt() + mean
        return x + self.merge(joined * self.attention(contrast))


class _ResidualFeatureDistillation(nn.Module):
    """Distils half of the channels by 1x1 convolutions beside residual 3x3 ones, then applies spatial attention."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.distil = nn.ModuleList(nn.Conv2d(width, width // 2, 1) for _ in range(3))
        self.refine = nn.ModuleList(_conv3x3(width, width) for _ in range(3))
        self.last = _conv3x3(width, width // 2)
        self.merge = nn.Conv2d(4 * (width // 2), width, 1)
        self.attention = _SpatialAttention(width, width // 4)

    def forward(self, x: Tensor) -> Tensor:
        kept = []
        for distil, refine in zip(self.distil, self.refine, strict=True):
            kept.append(functional.leaky_relu(distil(x), 0.05))
            x = functional.leaky_relu(refine(x) + x, 0.05)
        kept.append(functional.leaky_relu(self.last(x), 0.05))
        return self.attention(self.merge(torch.cat(kept, dim=1)))


class _SpatialAttention(nn.Module):
    """Enhanced spatial attention of RFANet (Liu et al., CVPR 2020)."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(width, inner, 1)
        self.shrink = nn.Conv2d(inner, inner, 3, stride=2)
        self.body = nn.Sequential(
            _conv3x3(inner, inner), nn.ReLU(), _conv3x3(inner, inner), nn.ReLU(), _conv3x3(inner, inner)
        )
        self.beside = nn.Conv2d(inner, inner, 1)
        self.excite = nn.Conv2d(inner, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        squeezed = self.squeeze(x)
        small = self.body(functional.max_pool2d(self.shrink(squeezed), 7, stride=3))
        large = functional.interpolate(small, size=x.shape[2:], mode="bilinear", align_corners=False)
        return x * self.excite(large + self.beside(squeezed)).sigmoid()
