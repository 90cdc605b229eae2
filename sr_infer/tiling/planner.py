"""Choose the windows of an image so that a call fits in its memory budget and takes little time."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from sr_infer.engine.protocol import WorkingSet
from sr_infer.errors import MemoryBudgetError, OptionError
from sr_infer.image_io.reader import Layout
from sr_infer.memory import DEFAULT_SHARE, budget_bytes, format_bytes
from sr_infer.model_card import ModelCard, SizeRequirements
from sr_infer.options import Options
from sr_infer.resources import memory_limit_advice
from sr_infer.tiling.geometry import Grid, plan
from sr_infer.tiling.tile_runner import result_bytes_per_px

_TILES_PX = (16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512)
"""Sides of tiles to choose from."""
_SHARED_WINDOW_EFFICIENCY = 0.8
"""Efficiency of all threads on one window, compared with one thread on each window. With 2 threads, one window took 1.1
to 1.3 times the processor time."""
_BYTES_WORTH_ALL_TIME = 1_500_000_000
"""Memory for each processor that weighs as much as the whole time: 15 MB more must save 1 % of the time."""
_LARGE_WINDOW_PIXELS, _LARGE_WINDOW_COST = 280 * 280, 1.05
"""Windows with more pixels take more processor time per pixel. Measured with SRPN-Lite x4, relative to 96x96 px: 1.02
to 1.03 at 229x207 px, 1.01 to 1.03 at 282x254 px, 1.03 to 1.05 at 352x330 px."""
_COST_TOLERANCE = 1.005
"""Plans whose cost is within this factor of the lowest count as equally cheap."""


@dataclass(frozen=True)
class TilingPlan:
    """The windows of an image and how many are run at once."""

    grid: Grid
    workers: int
    """Windows at once, each on one thread; 1 means one window at a time on all threads."""
    working_bytes: int
    """Predicted peak of the network runs, of the arrays around them and of results that wait to be merged."""

    def relative_time(self, threads: int) -> float:
        """Pixels that one thread computes: comparable between plans of one image for one network."""
        pixels = self.grid.window_pixels
        window = pixels * (_LARGE_WINDOW_COST if pixels > _LARGE_WINDOW_PIXELS else 1.0)
        if self.workers == 1:
            return len(self.grid) * window / max(1.0, threads * _SHARED_WINDOW_EFFICIENCY)
        return math.ceil(len(self.grid) / self.workers) * window

    def cost(self, threads: int) -> float:
        """Time and memory as one number: 15 MB for each processor weigh as much as 1 % of the time."""
        return self.relative_time(threads) * (1 + self.working_bytes / (threads * _BYTES_WORTH_ALL_TIME))


def plan_tiles(
    layout: Layout,
    card: ModelCard,
    options: Options,
    working_set: WorkingSet,
    image_bytes: Callable[[Grid], int],
) -> TilingPlan:
    """Choose the cheapest plan whose working set fits in the memory budget.

    The cheapest plan takes little time and little memory, see `TilingPlan.cost`. Among plans within 0.5 % of the lowest
    cost, one window is preferred, then the least memory. Networks with channel attention get the whole image as one
    window if that fits.

    Args:
        layout: layout of the LR image.
        card: model card of the network.
        options: tile side, halo, memory budget and threads.
        working_set: memory of the engine.
        image_bytes: returns the memory of the input and output images for a grid.

    Raises:
        MemoryBudgetError: no plan fits; the message names the smallest budget that suffices.
        OptionError: the network takes windows of only one size, and the halo leaves no room for a tile.
    """
    threads = options.thread_count
    overlap_px = halo_px(options, card, layout.dtype)
    grids = _candidate_grids(layout.size_hw, card.size_requirements, overlap_px, options.tile)
    result_bytes = result_bytes_per_px(
        layout.channels, layout.dtype, card.scale, alpha=options.alpha, ensemble=options.ensemble
    )

    def candidate(grid: Grid, workers: int) -> TilingPlan:
        at_once = min(workers, len(grid))
        waiting = at_once + (len(grid) > 1)
        network_bytes = at_once * card.bytes_per_px * working_set.factor(card.precision)
        bytes_per_px = network_bytes + waiting * result_bytes
        return TilingPlan(grid, workers, int(grid.window_pixels * bytes_per_px) + working_set.fixed_bytes)

    plans = [candidate(grid, workers) for grid in grids for workers in range(1, min(threads, len(grid)) + 1)]
    needs = [(image_bytes(plan.grid) + plan.working_bytes, plan) for plan in plans]
    budget = budget_bytes(options.max_memory)
    fitting = [(need, plan) for need, plan in needs if need <= budget]
    if not fitting:
        raise _budget_error(layout.size_hw, options, min(need for need, _ in needs), budget)
    if card.global_pooling:
        fitting = [(need, plan) for need, plan in fitting if len(plan.grid) == 1] or fitting
    limit = _COST_TOLERANCE * min(plan.cost(threads) for _, plan in fitting)
    cheap = [(len(plan.grid) > 1, need, plan) for need, plan in fitting if plan.cost(threads) <= limit]
    return min(cheap, key=lambda row: row[:2])[2]


def halo_px(options: Options, card: ModelCard, dtype: np.dtype[np.generic]) -> int:
    """The halo that the options mean for this network and pixel type."""
    if isinstance(options.halo, int):
        return options.halo
    if options.halo == "8bit" and dtype == np.uint8 and card.halo_8bit_px is not None:
        return card.halo_8bit_px
    return card.halo_px


def _candidate_grids(
    size_hw: tuple[int, int], sizes: SizeRequirements, halo_px: int, tile_px: int | None
) -> list[Grid]:
    """Grids of square and oblong tiles, from small to large tiles, each window size once."""
    if sizes.window_px is not None:
        tile_px = _tile_of_window(sizes.window_px, sizes.multiple_of_px, halo_px)
    squares = []
    for side_px in _TILES_PX if tile_px is None else [tile_px]:
        squares.append(
            plan(
                size_hw,
                tile_px=side_px,
                halo_px=halo_px,
                multiple_of_px=sizes.multiple_of_px,
                min_size_px=sizes.window_px or sizes.min_size_px,
            )
        )
        if len(squares[-1]) == 1:
            break
    is_large = size_hw[0] * size_hw[1] > _LARGE_WINDOW_PIXELS
    oblongs = [Grid(a.rows, b.columns) for pair in pairwise(squares) for a, b in (pair, pair[::-1]) if is_large]
    return list({(grid.window_hw, len(grid)): grid for grid in squares + oblongs}.values())


def _tile_of_window(window_px: int, multiple_of_px: int, halo_px: int) -> int:
    """Side of the tile inside a window of the only size that a network takes."""
    tile_px = window_px - 2 * multiple_of_px * math.ceil(halo_px / multiple_of_px)
    if tile_px < 1:
        raise OptionError(
            f"expected a halo below {window_px // 2} px, since the network takes only windows of "
            f"{window_px}x{window_px} px, got {halo_px} px"
        )
    return tile_px


def _budget_error(size_hw: tuple[int, int], options: Options, need: int, budget: int) -> MemoryBudgetError:
    height, width = size_hw
    what = f"{width}x{height} px" + ("" if options.tile is None else f" in tiles of {options.tile} px")
    if options.max_memory is None:
        return MemoryBudgetError(
            f"{what} needs {format_bytes(need)}, and a call may take {format_bytes(budget)}, {DEFAULT_SHARE:.0%} of "
            f"what is available; {memory_limit_advice()}, or insist with max_memory={format_bytes(need)!r}"
        )
    advice = f"give at least {format_bytes(need)}"
    return MemoryBudgetError(
        f"{what} does not fit in {format_bytes(budget)}; {advice}"
        + ("" if options.tile is None else " or leave the tile size to the budget")
    )
