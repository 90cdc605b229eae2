"""From a memory budget to a tile size, by the model card's measured bytes per pixel."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from sr_infer.errors import MemoryBudgetError, OptionError
from sr_infer.model_card import ModelCard
from sr_infer.resources import available_memory_bytes
from sr_infer.tiling.geometry import Grid, plan

DEFAULT_SHARE = 0.5
"""Without `max_memory` a call takes at most this share of the memory that is available when it starts."""

_TILES_PX = (16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512)
_SHARED_WINDOW_EFFICIENCY = 0.8
"""All threads on one window need more processor time than one thread each: with 2 threads measured 1.1 to 1.3 times."""
_AROUND_THE_NETWORK, _AROUND_INT8 = 1.2, 1.6
"""What windows take over the card's measurement, by how the arena comes to be cut. One or two at a time, 128 to 512 px:
1.00 to 1.23 times in float32, 0.99 to 1.37 in int8."""
_WORTH_THE_TIME_BYTES = 1_500_000_000
"""So much memory for each processor is worth as much as the whole time: 15 MB more must save 1 %."""
_FIXED_BYTES = 3_000_000
"""Threads and their stacks, whatever the size of the picture."""
_LARGE_WINDOW_PX, _LARGE_WINDOW_COST = 280 * 280, 1.05
"""Measured on SRPN-Lite x4, processor time per px over that at 96x96 px: 1.02 to 1.03 at 229x207 px, 1.01 to 1.03 at
282x254, 1.03 to 1.05 at 352x330."""
_PATIENCE = 1.005
_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "KI": 2**10, "MI": 2**20, "GI": 2**30}


def parse_bytes(amount: int | str) -> int:
    """Bytes of an amount such as 512_000_000, "512MB" (10**6) or "0.5 GiB" (2**30).

    Raises:
        OptionError: not a positive amount.
    """
    match = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Z]*)\s*", str(amount).upper())
    factor = _UNITS.get(match[2].removesuffix("B")) if match else None
    if match is None or factor is None:
        raise OptionError(f'expected an amount of memory such as "512MB", "1.5GiB" or bytes, got {amount!r}')
    parsed = float(match[1]) * factor
    if not 1 <= parsed < math.inf:
        raise OptionError(f"expected a positive amount of memory, got {amount!r}")
    return int(parsed)


def budget_bytes(max_memory: int | str | None) -> int:
    """What a call may add: `max_memory`, or a share of what is available now."""
    return int(available_memory_bytes() * DEFAULT_SHARE) if max_memory is None else parse_bytes(max_memory)


def format_bytes(amount: int) -> str:
    """In whole MB, rounded up, so that a printed amount that is given back suffices: "512MB"."""
    return f"{-(-amount // 10**6)}MB"


@dataclass(frozen=True)
class Division:
    """How a picture is worked through."""

    grid: Grid
    workers: int
    """Windows at once, each on one thread; 1 means one window at a time on all threads."""

    def working_bytes(self, card: ModelCard, block_bytes_per_px: float) -> int:
        """Peak of the network runs, of what is done with each window around them, and of waiting blocks."""
        at_once = min(self.workers, len(self.grid))
        blocks = at_once + (len(self.grid) > 1)
        around = _AROUND_INT8 if card.precision == "int8" else _AROUND_THE_NETWORK
        per_px = at_once * card.bytes_per_px * around + blocks * block_bytes_per_px
        return int(self.grid.window_px * per_px) + _FIXED_BYTES

    def relative_time(self, threads: int) -> float:
        """Comparable between divisions of one picture for one network: pixels that one thread computes."""
        window = self.grid.window_px * (_LARGE_WINDOW_COST if self.grid.window_px > _LARGE_WINDOW_PX else 1.0)
        if self.workers == 1:
            return len(self.grid) * window / max(1.0, threads * _SHARED_WINDOW_EFFICIENCY)
        return math.ceil(len(self.grid) / self.workers) * window


def fit(
    size_hw: tuple[int, int],
    card: ModelCard,
    *,
    halo_px: int,
    tile_px: int | None,
    max_memory: int | str | None,
    canvas_bytes: Callable[[Grid], int],
    block_bytes_per_px: float,
    threads: int,
) -> Division:
    """The cheapest division of a picture whose working set fits the budget.

    Cheapest is what takes little time and little memory: 15 MB for each processor weigh as much as 1 % of the time.
    Within 0.5 % of that it is one window, or the least memory. Networks that average over their input see the whole
    picture where they can.

    Args:
        size_hw: the LR picture.
        card: for bytes per pixel and size requirements.
        halo_px: overlap on each side of a tile.
        tile_px: the tile side that the caller insists on; None, or a network that takes one size alone, chooses one.
        max_memory: what the call may add to the process; None takes a share of what is available now.
        canvas_bytes: tells what input and output pictures take beside the network's working set.
        block_bytes_per_px: what the result of a window takes until it is in the output picture, by the window's pixels.
        threads: processors that may be kept busy.

    Raises:
        MemoryBudgetError: it does not fit; the message names the smallest budget that does.
        OptionError: the network takes windows of one size alone, of which the halo leaves no tile.
    """
    if card.window_px is not None:
        tile_px = _tile_of_window(card.window_px, card.multiple_of_px, halo_px)
    least_px = card.window_px or card.min_size_px
    squares = []
    for tile in _TILES_PX if tile_px is None else [tile_px]:
        squares.append(
            plan(size_hw, tile_px=tile, halo_px=halo_px, multiple_of_px=card.multiple_of_px, min_size_px=least_px)
        )
        if len(squares[-1]) == 1:
            break
    is_large = size_hw[0] * size_hw[1] > _LARGE_WINDOW_PX
    oblongs = [Grid(a.rows, b.columns) for pair in pairwise(squares) for a, b in (pair, pair[::-1]) if is_large]
    grids = {(grid.window_hw, len(grid)): grid for grid in squares + oblongs}.values()
    divisions = [Division(grid, workers) for grid in grids for workers in range(1, min(threads, len(grid)) + 1)]
    needs = [canvas_bytes(division.grid) + division.working_bytes(card, block_bytes_per_px) for division in divisions]
    budget = budget_bytes(max_memory)
    fitting = [(division, need) for division, need in zip(divisions, needs, strict=True) if need <= budget]
    if card.global_pooling:
        fitting = [choice for choice in fitting if len(choice[0].grid) == 1] or fitting
    if fitting:

        def cost(division: Division) -> float:
            memory = division.working_bytes(card, block_bytes_per_px) / (threads * _WORTH_THE_TIME_BYTES)
            return division.relative_time(threads) * (1 + memory)

        patience = _PATIENCE * min(cost(division) for division, _ in fitting)
        cheap = [(division, need) for division, need in fitting if cost(division) <= patience]
        return min(cheap, key=lambda choice: (len(choice[0].grid) > 1, choice[1]))[0]
    height, width = size_hw
    what = f"{width}x{height} px" + ("" if tile_px is None else f" in tiles of {tile_px} px")
    least = format_bytes(min(needs))
    if max_memory is None:
        raise MemoryBudgetError(
            f"{what} needs {least}, and a call may take {format_bytes(budget)}, {DEFAULT_SHARE:.0%} of what is "
            f"available; free memory, or insist with max_memory={least!r}"
        )
    advice = f"give at least {least}" + ("" if tile_px is None else " or leave the tile size to the budget")
    raise MemoryBudgetError(f"{what} does not fit in {format_bytes(budget)}; {advice}")


def _tile_of_window(window_px: int, multiple_of_px: int, halo_px: int) -> int:
    """What a window of the only size that a network takes leaves for the tile."""
    tile_px = window_px - 2 * multiple_of_px * math.ceil(halo_px / multiple_of_px)
    if tile_px < 1:
        raise OptionError(
            f"expected a halo below {window_px // 2} px, since the network takes windows of {window_px}x{window_px} px "
            f"alone, got {halo_px} px"
        )
    return tile_px
