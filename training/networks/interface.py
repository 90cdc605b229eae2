"""What training needs of every network and its configuration; base classes for networks with one output image."""

from torch import Tensor, nn


class SingleImageConfig:
    """The configuration of a network that returns one image."""

    scale: int

    @property
    def downscale_factors(self) -> tuple[int, ...]:
        """Factors by which the input and each target are smaller than the HR picture, the input first."""
        return (self.scale, 1)

    @property
    def dual_features(self) -> int:
        """Inner channels of this network's dual networks."""
        return 16


class SingleImageNetwork(nn.Module):
    """A network that returns one image."""

    def pyramid(self, lr: Tensor) -> list[Tensor]:
        """The images that training compares with targets, coarse to fine; the last is what `forward` returns."""
        return [self(lr)]
