"""Run a network on an image, tile by tile.

Each tile yields its kept part at the network's scale, in the image's own channels and dtype. The results of
neighbouring tiles touch each other; together they are the upscaled image.
"""

from collections.abc import Callable, Iterator
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np

from sr_infer import colour
from sr_infer.colour import Planes
from sr_infer.engine.session import Batch, Session
from sr_infer.errors import CancelledError
from sr_infer.image_io.pillow_modes import Pixels
from sr_infer.tiling.geometry import Grid, Span
from sr_infer.tiling.ordered_map import ordered_map
from sr_infer.tiling.pooled_statistics import pooled_statistics
from sr_infer.tiling.self_ensemble import ORIENTATIONS, inverse_orient, orient
from sr_infer.tiling.windows import Source, Window, windows

Progress: TypeAlias = Callable[[int, int], bool | None]
"""Called as progress(done_tiles, total_tiles); returning False cancels."""


class TileResult(NamedTuple):
    """The upscaled kept part of one tile."""

    row: Span
    column: Span
    pixels: Pixels
    """((keep_stop - keep_start) * scale along each axis, C)."""


def run_tiles(
    network: Session,
    source: Source,
    grid: Grid,
    *,
    alpha: Literal["bicubic", "model"],
    ensemble: bool,
    workers: int,
    progress: Progress | None,
) -> Iterator[TileResult]:
    """Run a network on all windows of an image, row by row from the top left.

    Args:
        network: the network.
        source: the LR image.
        grid: its windows.
        alpha: how transparency is enlarged.
        ensemble: average over the 8 flips and rotations.
        workers: windows that are run at once.
        progress: called when the caller has used a result.

    Yields:
        The result of each tile.

    Raises:
        ModelError: the network cannot be run.
        CancelledError: `progress` returned False.
    """
    orientations = ORIENTATIONS if ensemble else 1
    statistics = pooled_statistics(network, source, grid, orientations=orientations, workers=workers)

    def run(window: Window) -> TileResult:
        return TileResult(window.row, window.column, _upscale_window(network, window, statistics, alpha))

    for done, tile in enumerate(ordered_map(run, windows(source, grid), workers), start=1):
        yield tile
        if progress is not None and progress(done, len(grid)) is False:
            raise CancelledError(f"cancelled after {done} of {len(grid)} tiles")


def result_bytes_per_px(
    channels: int, dtype: np.dtype[Any], scale: int, *, alpha: Literal["bicubic", "model"], ensemble: bool
) -> float:
    """Memory of a tile's result and of its intermediate arrays beside the network's output, per pixel of the window."""
    planes = 4.0 * 3
    more = (2 * planes if ensemble else 0) + (planes if alpha == "model" and channels in (2, 4) else 0)
    return scale**2 * (channels * dtype.itemsize + more)


def _upscale_window(
    network: Session, window: Window, statistics: list[Batch | None], alpha: Literal["bicubic", "model"]
) -> Pixels:
    """Upscale the kept part of a window, colour and alpha."""
    card = network.card
    chroma = None
    if card.colour == "Y" and window.colour.shape[2] == 3:
        chroma = window.resized_part(colour.chroma(window.colour), card.scale).transpose(2, 0, 1)
    result = _run_network(network, window, window.colour, chroma, statistics)
    if window.alpha is None:
        return result
    if alpha == "model":
        large = _run_network(network, window, window.alpha, None, statistics)
    elif (window.alpha == window.alpha[0, 0]).all():
        large = np.full((*result.shape[:2], 1), window.alpha[0, 0], result.dtype)
    else:
        large = window.resized_part(window.alpha, card.scale)
    if result.dtype.kind == "f":
        large = np.clip(large, 0, 1)
    return np.concatenate([result, large], axis=2)


def _run_network(
    network: Session, window: Window, pixels: Pixels, chroma: Planes | None, statistics: list[Batch | None]
) -> Pixels:
    """Upscale the kept part of `pixels`, the window's colour or alpha, with the network."""
    planes = window.network_planes(pixels, network.card)

    def run(index: int) -> Planes:
        return inverse_orient(network.run(orient(planes, index)[None], statistics[index])[0], index)

    large = run(0)
    for index in range(1, len(statistics)):
        large += run(index)
    if len(statistics) > 1:
        large /= len(statistics)
    kept = window.kept(large, network.card.scale)
    return colour.from_network(
        kept, chroma, channels=pixels.shape[2], dtype=pixels.dtype, value_range=network.card.value_range
    )
