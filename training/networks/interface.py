"""What training asks of every network and of its configuration; a network with one image takes it from here."""

from torch import Tensor, nn


class SingleImageConfig:
    """The configuration of a network that returns one image."""

    scale: int

    @property
    def downscale_factors(self) -> tuple[int, ...]:
        """How much smaller than the HR picture the input and each target are, the input first."""
        return (self.scale, 1)

    @property
    def dual_features(self) -> int:
        """Inner channels of the dual networks that are trained with this network."""
        return 16


class SingleImageNetwork(nn.Module):
    """A network that returns one image."""

    def pyramid(self, lr: Tensor) -> list[Tensor]:
        """The images that training compares with targets, coarse to fine; the last is what `forward` returns."""
        return [self(lr)]
