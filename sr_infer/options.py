"""The options of an upscaler and the size of a result: plain, validated data."""

import math
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Literal, TypeAlias

from sr_infer import memory, resources
from sr_infer.errors import OptionError
from sr_infer.image_io.reader import MAX_PIXELS

Halo: TypeAlias = Literal["8bit", "exact"] | int
Alpha: TypeAlias = Literal["bicubic", "model"]
Edges: TypeAlias = Literal["border", "wrap", "wrap-x"]


@dataclass(frozen=True, kw_only=True)
class Options:
    """How images are upscaled.

    Args:
        tile: side in px of the tiles that the LR image is divided into, without halo; None lets the memory budget
            choose. At least 1.
        halo: overlap of neighbouring tiles. "8bit" changes no 8-bit value by more than 1, compared with the whole image
            in one piece (images with 16 bits or floats get "exact"); "exact" is equal to the whole image; a number is
            an overlap in LR px, at least 0.
        max_memory: memory that a call may add to the process, in bytes or as text such as "512MB" or "1.5GiB"; None
            allows a share of what is available.
        max_pixels: files that claim more pixels are refused before they are decoded. At least 1.
        threads: processors that a call keeps busy, at least 1; None uses all that affinity and cgroup allow.
        alpha: "bicubic" enlarges transparency by bicubic interpolation, "model" by the network.
        edges: what lies beyond the image. "border": nothing. "wrap": its opposite side, so that tileable textures stay
            tileable. "wrap-x": the same on the left and right only, for panoramas of 360 degrees.
        ensemble: average the network's results over 8 flips and rotations: eight times the work for a slightly higher
            PSNR.

    Raises:
        OptionError: an option is out of range.
    """

    tile: int | None = None
    halo: Halo = "8bit"
    max_memory: int | str | None = None
    max_pixels: int = MAX_PIXELS
    threads: int | None = None
    alpha: Alpha = "bicubic"
    edges: Edges = "border"
    ensemble: bool = False

    def __post_init__(self) -> None:
        self._check_whole("max_pixels", minimum=1)
        for name in ("tile", "threads"):
            if getattr(self, name) is not None:
                self._check_whole(name, minimum=1)
        if self.halo not in ("8bit", "exact"):
            if not (isinstance(self.halo, Integral) and not isinstance(self.halo, bool) and int(self.halo) >= 0):
                raise OptionError(f'expected halo to be "8bit", "exact" or a number of px, got {self.halo!r}')
            object.__setattr__(self, "halo", int(self.halo))
        if not isinstance(self.ensemble, bool):
            raise OptionError(f"expected ensemble to be True or False, got {self.ensemble!r}")
        if self.alpha not in ("bicubic", "model"):
            raise OptionError(f'expected alpha to be "bicubic" or "model", got {self.alpha!r}')
        if self.edges not in ("border", "wrap", "wrap-x"):
            raise OptionError(f'expected edges to be "border", "wrap" or "wrap-x", got {self.edges!r}')
        if self.max_memory is not None:
            memory.parse_bytes(self.max_memory)

    def _check_whole(self, name: str, *, minimum: int) -> None:
        """Check that an option is a whole number, and store it as an int: numpy's types would overflow later."""
        value = getattr(self, name)
        if not (isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= minimum):
            raise OptionError(f"expected {name} to be a whole number of at least {minimum}, got {value!r}")
        object.__setattr__(self, name, int(value))

    @property
    def thread_count(self) -> int:
        """Number of threads on this machine: `threads`, or all usable processors."""
        return resources.usable_cpus() if self.threads is None else self.threads


@dataclass(frozen=True, kw_only=True)
class OutputSize:
    """The size of a result that the caller asks for; without any value, the network's own scale.

    Args:
        scale: output side over input side.
        width: width of the output in px; without a height it keeps the aspect ratio.
        height: height of the output in px; without a width it keeps the aspect ratio.

    Raises:
        OptionError: a value is not a positive number, or `scale` comes with a width or height.
    """

    scale: float | None = None
    width: int | None = None
    height: int | None = None

    def __post_init__(self) -> None:
        for name, value in (("scale", self.scale), ("width", self.width), ("height", self.height)):
            kind, what = (Real, "number") if name == "scale" else (Integral, "whole number")
            if value is None:
                continue
            if isinstance(value, bool) or not (isinstance(value, kind) and 0 < value < math.inf):
                raise OptionError(f"expected {name} to be a positive {what}, got {value!r}")
        if self.scale is not None and (self.width is not None or self.height is not None):
            raise OptionError("expected either scale or a width and height, got both")

    def of(self, size_hw: tuple[int, int], model_scale: int) -> tuple[int, int]:
        """Height and width of the result in px.

        Args:
            size_hw: height and width of the LR image in px.
            model_scale: scale of the network.

        Raises:
            OptionError: no image can have this size.
        """
        lr_height, lr_width = size_hw
        width, height = (None if side is None else int(side) for side in (self.width, self.height))
        try:
            if width is not None or height is not None:
                return (
                    height if height is not None else max(1, round(lr_height * (width or 0) / lr_width)),
                    width if width is not None else max(1, round(lr_width * (height or 0) / lr_height)),
                )
            factor = float(model_scale if self.scale is None else self.scale)
            return max(1, round(lr_height * factor)), max(1, round(lr_width * factor))
        except OverflowError as error:
            raise OptionError(f"expected a size that a picture can have, got {self}") from error
