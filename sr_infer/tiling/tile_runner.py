"""One picture through one network, window by window.

Each window yields a block: its kept part at the network's scale, in the picture's own channels and dtype. Blocks of
neighbouring windows abut, and together they are the upscaled picture.
"""

from collections.abc import Callable, Iterator
from typing import Any, Literal, TypeAlias

import numpy as np

from sr_infer import colour
from sr_infer.colour import Planes
from sr_infer.engine.session import Batch, Session
from sr_infer.errors import CancelledError
from sr_infer.image_io.pillow_modes import Pixels
from sr_infer.tiling.geometry import Grid, Span
from sr_infer.tiling.ordered_map import in_order
from sr_infer.tiling.pooled_statistics import shared_averages
from sr_infer.tiling.self_ensemble import TURNS, turned, turned_back
from sr_infer.tiling.windows import Source, Window, windows

Progress: TypeAlias = Callable[[int, int], bool | None]
"""Called as progress(done_tiles, total_tiles); returning False cancels."""
Block: TypeAlias = tuple[Span, Span, Pixels]
"""Row span, column span, and the pixels of their kept parts: ((keep_stop - keep_start) * scale along each axis, C)."""


def upscaled_blocks(
    network: Session,
    source: Source,
    grid: Grid,
    *,
    alpha: Literal["bicubic", "model"],
    ensemble: bool,
    workers: int,
    progress: Progress | None,
) -> Iterator[Block]:
    """Run all windows of a picture, row by row from the top left.

    Args:
        network: what to run.
        source: the LR picture.
        grid: its windows.
        alpha: how transparency is enlarged.
        ensemble: average over the 8 flips and rotations.
        workers: windows that are run at once.
        progress: told when each block has been used.

    Yields:
        The blocks.

    Raises:
        ModelError: the network cannot be run.
        CancelledError: `progress` returned False.
    """
    averages = shared_averages(network, source, grid, turns=TURNS if ensemble else 1, workers=workers)

    def finished(window: Window) -> Block:
        return window.row, window.column, _block(network, window, averages, alpha)

    for done, block in enumerate(in_order(finished, windows(source, grid), workers), start=1):
        yield block
        if progress is not None and progress(done, len(grid)) is False:
            raise CancelledError(f"cancelled after {done} of {len(grid)} tiles")


def block_bytes_per_px(
    channels: int, dtype: np.dtype[Any], scale: int, *, alpha: Literal["bicubic", "model"], ensemble: bool
) -> float:
    """Memory of a block and of what it is made from beside the network's own output, by the window's pixels."""
    planes = 4.0 * 3
    more = (2 * planes if ensemble else 0) + (planes if alpha == "model" and channels in (2, 4) else 0)
    return scale**2 * (channels * dtype.itemsize + more)


def _block(
    network: Session, window: Window, averages: list[Batch | None], alpha: Literal["bicubic", "model"]
) -> Pixels:
    card = network.card
    chroma = None
    if card.colour == "Y" and window.colour.shape[2] == 3:
        chroma = window.resized_part(colour.chroma(window.colour), card.scale).transpose(2, 0, 1)
    block = _through_network(network, window, window.colour, chroma, averages)
    if window.alpha is None:
        return block
    if alpha == "model":
        large = _through_network(network, window, window.alpha, None, averages)
    elif (window.alpha == window.alpha[0, 0]).all():
        large = np.full((*block.shape[:2], 1), window.alpha[0, 0], block.dtype)
    else:
        large = window.resized_part(window.alpha, card.scale)
    if block.dtype.kind == "f":
        large = np.clip(large, 0, 1)
    return np.concatenate([block, large], axis=2)


def _through_network(
    network: Session, window: Window, pixels: Pixels, chroma: Planes | None, averages: list[Batch | None]
) -> Pixels:
    """The kept part of `pixels`, the window's colour or alpha, enlarged by the network."""
    planes = window.network_planes(pixels, network.card)

    def run(turn: int) -> Planes:
        return turned_back(network.run(turned(planes, turn)[None], averages[turn])[0], turn)

    large = run(0)
    for turn in range(1, len(averages)):
        large += run(turn)
    if len(averages) > 1:
        large /= len(averages)
    kept = window.kept(large, network.card.scale)
    return colour.from_network(
        kept, chroma, channels=pixels.shape[2], dtype=pixels.dtype, value_range=network.card.value_range
    )
