"""From a memory budget to a tile size, by the model card's measured bytes per pixel."""

import re

from sr_infer.errors import MemoryBudgetError, OptionError
from sr_infer.limits import available_memory_bytes
from sr_infer.model_card import ModelCard
from sr_infer.tiling import Grid, plan

DEFAULT_SHARE = 0.5
"""Without `max_memory` a call takes at most this share of the memory that is available when it starts."""

_LARGEST_TILE_PX = 384
"""Time per pixel no longer falls beyond this, memory grows on."""
_SMALLEST_TILE_PX = 16
_UNITS = {"": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}


def parse_bytes(amount: int | str) -> int:
    """Bytes of an amount such as 512_000_000, "512MB" (10**6) or "0.5 GiB" (2**30).

    Raises:
        OptionError: not a positive amount.
    """
    match = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Z]*)\s*", str(amount).upper())
    if match is None or match[2].removesuffix("B") not in {unit.removesuffix("B") for unit in _UNITS}:
        raise OptionError(f'expected an amount of memory such as "512MB", "1.5GiB" or bytes, got {amount!r}')
    unit = next(factor for name, factor in _UNITS.items() if name.removesuffix("B") == match[2].removesuffix("B"))
    parsed = int(float(match[1]) * unit)
    if parsed < 1:
        raise OptionError(f"expected a positive amount of memory, got {amount!r}")
    return parsed


def format_bytes(amount: int) -> str:
    """In whole MB, rounded up, so that a printed amount that is given back suffices: "512MB"."""
    return f"{-(-amount // 10**6)}MB"


def fit(
    size_hw: tuple[int, int],
    card: ModelCard,
    *,
    halo_px: int,
    tile_px: int | None,
    budget_bytes: int | None,
    canvas_bytes: int,
) -> Grid:
    """The cheapest division of a picture into windows whose working set fits the budget.

    Args:
        size_hw: the LR picture.
        card: for bytes per pixel and size requirements.
        halo_px: overlap on each side of a tile.
        tile_px: the tile side that the caller insists on; None chooses one.
        budget_bytes: what the call may add to the process; None takes a share of what is available now.
        canvas_bytes: what input and output pictures take beside the network's working set.

    Raises:
        MemoryBudgetError: it does not fit; the message names the smallest budget that does.
    """
    candidates = [tile_px] if tile_px is not None else range(_SMALLEST_TILE_PX, _LARGEST_TILE_PX + 1, 8)
    grids = [
        plan(
            size_hw,
            tile_px=candidate,
            halo_px=halo_px,
            multiple_of_px=card.multiple_of_px,
            min_size_px=card.min_size_px,
        )
        for candidate in candidates
    ]
    budget = int(available_memory_bytes() * DEFAULT_SHARE) if budget_bytes is None else budget_bytes
    fitting = [grid for grid in grids if needed_bytes(grid, card, canvas_bytes) <= budget]
    if fitting:
        return min(fitting, key=lambda grid: (len(grid) * grid.window_px, grid.window_px))
    least = format_bytes(min(needed_bytes(grid, card, canvas_bytes) for grid in grids))
    height, width = size_hw
    tiled = "" if tile_px is None else f" in tiles of {tile_px} px"
    if budget_bytes is None:
        raise MemoryBudgetError(
            f"{width}x{height} px{tiled} needs {least}, and this call may take {format_bytes(budget)}, "
            f"half of what is available; free memory, or set max_memory={least!r} to insist"
        )
    advice = f"give at least {least}" + ("" if tile_px is None else " or leave the tile size to the budget")
    raise MemoryBudgetError(f"{width}x{height} px{tiled} does not fit in {format_bytes(budget)}; {advice}")


def needed_bytes(grid: Grid, card: ModelCard, canvas_bytes: int) -> int:
    """Peak memory of a call that works through `grid`."""
    return canvas_bytes + int(grid.window_px * card.bytes_per_px)
