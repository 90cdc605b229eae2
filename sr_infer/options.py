"""The options of an upscaler, and what they mean for one picture: overlap and division into tiles."""

from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral
from typing import Any, Literal, TypeAlias

import numpy as np

from sr_infer import memory, resources
from sr_infer.errors import OptionError
from sr_infer.image_io import reader
from sr_infer.memory import Division
from sr_infer.model_card import ModelCard
from sr_infer.tiling.geometry import Grid
from sr_infer.tiling.tile_runner import block_bytes_per_px
from sr_infer.tiling.windows import Source

Halo: TypeAlias = Literal["8bit", "exact"] | int
Alpha: TypeAlias = Literal["bicubic", "model"]


@dataclass(frozen=True, kw_only=True)
class Options:
    """How pictures are worked through.

    Raises:
        OptionError: an option is out of range.
    """

    tile: int | None = None
    """Side in px of the tiles that the picture is cut into, without halo; None lets the memory budget choose."""
    halo: Halo = "8bit"
    """Overlap of the tiles: enough to change no 8-bit value by more than 1 (pictures of 16 bits and floats get the
    exact one), enough for equality with the whole picture, or a number of px."""
    max_memory: int | str | None = None
    """What a call may add to the process, in bytes or such as "512MB"; None takes a share of what is available."""
    max_pixels: int = reader.MAX_PIXELS
    """Files that claim more pixels are refused before they are decoded."""
    threads: int | None = None
    """Processors that a call keeps busy; None takes all that affinity and cgroup allow."""
    alpha: Alpha = "bicubic"
    """How transparency is enlarged."""
    ensemble: bool = False
    """Average over the 8 flips and rotations: eight times the work for a little more PSNR."""

    def __post_init__(self) -> None:
        for name in ("tile", "threads", "max_pixels"):
            value = getattr(self, name)
            is_left_out = value is None and name != "max_pixels"
            if is_left_out:
                continue
            if not (isinstance(value, Integral) and int(value) >= 1):
                raise OptionError(f"expected {name} to be a whole number of at least 1, got {value!r}")
            object.__setattr__(self, name, int(value))  # numpy's would overflow in what is computed of them
        if self.halo not in ("8bit", "exact"):
            if not (isinstance(self.halo, Integral) and int(self.halo) >= 0):
                raise OptionError(f'expected halo to be "8bit", "exact" or a number of px, got {self.halo!r}')
            object.__setattr__(self, "halo", int(self.halo))
        if not isinstance(self.ensemble, bool):
            raise OptionError(f"expected ensemble to be True or False, got {self.ensemble!r}")
        if self.alpha not in ("bicubic", "model"):
            raise OptionError(f'expected alpha to be "bicubic" or "model", got {self.alpha!r}')
        if self.max_memory is not None:
            memory.parse_bytes(self.max_memory)

    @property
    def thread_count(self) -> int:
        """What `threads` comes to on this machine."""
        return resources.usable_cpus() if self.threads is None else self.threads

    def division(self, source: Source, card: ModelCard, canvas_bytes: Callable[[Grid], int]) -> Division:
        """Divide a picture within the memory budget.

        Args:
            source: the LR picture; its pixels are not looked at.
            card: of the network.
            canvas_bytes: tells what input and output pictures take.

        Raises:
            MemoryBudgetError: it does not fit.
        """
        return memory.fit(
            source.size_hw,
            card,
            halo_px=self._halo_px(card, source.dtype),
            tile_px=self.tile,
            max_memory=self.max_memory,
            canvas_bytes=canvas_bytes,
            block_bytes_per_px=block_bytes_per_px(
                source.channels, source.dtype, card.scale, alpha=self.alpha, ensemble=self.ensemble
            ),
            threads=self.thread_count,
        )

    def _halo_px(self, card: ModelCard, dtype: np.dtype[Any]) -> int:
        if isinstance(self.halo, int):
            return self.halo
        if self.halo == "8bit" and dtype == np.uint8 and card.halo_8bit_px is not None:
            return card.halo_8bit_px
        return card.halo_px
