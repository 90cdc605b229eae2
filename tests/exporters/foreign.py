"""Small networks with the traits of other people's: none of these classes is known to a reader."""

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, max_pool2d


class StridedAttention(nn.Module):
    """A mask from a branch that is made smaller, and enlarged to the input's own size."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(width, inner, 1)
        self.stride = nn.Conv2d(inner, inner, 3, stride=2)
        self.mix = nn.Conv2d(inner, inner, 3, padding=1)
        self.expand = nn.Conv2d(inner, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        reduced = self.reduce(x)
        pooled = self.mix(max_pool2d(self.stride(reduced), 7, 3))
        enlarged = interpolate(pooled, x.shape[2:], mode="bilinear", align_corners=False)
        return x * torch.sigmoid(self.expand(enlarged + reduced))


class Attentive(nn.Module):
    """Gives a list of two pictures, the last of which is the result; values 0 .. 255."""

    def __init__(self, upscale: int = 2, width: int = 8) -> None:
        super().__init__()
        self.head = nn.Conv2d(3, width, 3, padding=1)
        self.body = nn.Sequential(nn.Conv2d(width, width, 3, padding=1), nn.PReLU(width))
        self.attention = StridedAttention(width, 4)
        self.tail = nn.Sequential(nn.Conv2d(width, 3 * upscale**2, 3, padding=1), nn.PixelShuffle(upscale))
        self.upscale = upscale

    def forward(self, lr: Tensor) -> list[Tensor]:
        base = interpolate(lr, scale_factor=self.upscale, mode="nearest")
        features = self.head(lr / 255)
        return [base, base + 20 * self.tail(features + self.attention(self.body(features)))]


class Branched(nn.Module):
    """Three branches in training form, batch normalised, which one kernel can hold; keeps the size."""

    def __init__(self, channels: int = 3, width: int = 8) -> None:
        super().__init__()
        self.head = nn.Conv2d(channels, width, 3, padding=1)
        self.large = nn.Sequential(nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width))
        self.small = nn.Sequential(nn.Conv2d(width, width, 1, bias=False), nn.BatchNorm2d(width))
        self.tail = nn.Conv2d(width, channels, 3, padding=1)

    def forward(self, picture: Tensor) -> Tensor:
        x = self.head(picture)
        result: Tensor = picture + 0.1 * self.tail((self.large(x) + self.small(x) + x).relu())
        return result


class Halving(nn.Module):
    """Takes sides that are multiples of 4 only: made smaller twice, enlarged twice, with skips."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.ModuleList([nn.Conv2d(3, 8, 2, stride=2), nn.Conv2d(8, 8, 2, stride=2)])
        self.up = nn.ModuleList([nn.ConvTranspose2d(8, 8, 2, stride=2), nn.ConvTranspose2d(8, 3, 2, stride=2)])

    def forward(self, picture: Tensor) -> Tensor:
        half = self.down[0](picture).relu()
        result: Tensor = picture + 0.1 * self.up[1](half + self.up[0](self.down[1](half).relu()))
        return result


class Classifier(nn.Module):
    def forward(self, picture: Tensor) -> Tensor:
        return picture.mean(dim=(2, 3))


def seeded(network: nn.Module) -> nn.Module:
    """Random but reproducible weights, batch normalisation with statistics that are not trivial."""
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if tensor.is_floating_point():
                noise = torch.randn(tensor.shape, generator=generator)
                tensor.copy_(1 + 0.1 * noise.abs() if "running_var" in name else 0.2 * noise)
    return network.eval()
