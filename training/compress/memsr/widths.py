"""The widths of a MemSR student: one for all layers, or by the rank of the teacher's features (sec. 3.5)."""

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from sr_infer.errors import OptionError

RANK_TOLERANCE = 1e-9
"""Variances below this share of the largest are rounding errors, not directions."""


@dataclass(frozen=True, kw_only=True)
class Student:
    """The table `[student]`: one of `width` and `theta`.

    Raises:
        OptionError: both or neither is given, or a value is out of range.
    """

    width: int = 0
    """Channels of every layer."""
    theta: float = 0.0
    """Largest relative error of a layer's features; it decides the width."""
    multiple_of: int = 16
    """Widths found by theta are rounded up to it: onnxruntime takes as long for 49 channels as for 64."""
    activation: Literal["every", "second"] = "every"
    """Which layers have ReLU, see `PlainConfig`."""

    def __post_init__(self) -> None:
        if (self.width > 0) == (self.theta > 0):
            raise OptionError(f"give one of width and theta, got {self.width=} and {self.theta=}")
        if self.width < 0 or not 0 <= self.theta < 1 or self.multiple_of < 1:
            raise OptionError(f"expected a positive width, or a theta below 1 and a positive multiple_of, got {self}")
        if self.activation not in ("every", "second"):
            raise OptionError(f'activation is "every" or "second", not {self.activation!r}')

    def width_of(self, variances: Tensor, *, extra: int) -> int:
        """The width of a layer.

        Args:
            variances: of the teacher's features along their principal directions, descending.
            extra: channels that the student needs beside those directions.
        """
        if self.width:
            return self.width
        return self.rounded(smallest_rank(variances, self.theta) + extra)

    def rounded(self, channels: int) -> int:
        """Up to `multiple_of`."""
        return -(-channels // self.multiple_of) * self.multiple_of


def smallest_rank(variances: Tensor, theta: float) -> int:
    """The fewest leading directions r with relative error <= theta, at least 1.

    The error is that of mean-centred features F in the Frobenius norm, which the variances give without F:

        ||F - F_r|| / ||F|| = sqrt(sum of variances behind r / sum of all)
    """
    left_out = variances.sum() - variances.cumsum(0)
    return 1 + int((left_out > theta**2 * variances.sum()).sum())


def numerical_rank(variances: Tensor) -> int:
    """Directions along which features vary at all."""
    return int((variances > RANK_TOLERANCE * variances[0]).sum())
