"""`python -m benchmarks.attention_tiles FOLDER`: compare tiles of a DRN with the whole image.

Channel attention averages over its whole input, which differs between tiles. Three remedies are compared:

    own       each tile averages over itself
    shared    all tiles use the averages over small patches of the image, as
              `sr_infer.tiling.pooled_statistics` computes them
    windowed  each position averages over a box around it, by cumulative sums (TLC: Chu et al., "Improving Image
              Restoration by Revisiting Global Information Aggregation", ECCV 2022, section 3.2)

For each, the command prints the PSNR over RGB of the tiled result against the result of the whole image, the largest
step of their difference across a tile border in levels of 255, and the extra processor time compared with tiles whose
averages are known.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from sr_infer import ModelCard, Upscaler
from sr_infer.tiling.geometry import Grid, Span, plan
from sr_infer.tiling.pooled_statistics import patches
from training.checkpoint import load_network
from training.networks.drn import DRN

MODEL = "drn-s50-x4"
WEIGHTS = Path(__file__).parent.parent / "weights" / f"{MODEL}.safetensors"
WINDOW_PX = 72
"""Side of TLC's box in LR px. The paper advises one and a half times the side of the training patches."""

Pool = Callable[[int, Tensor], Tensor]
"""Pooling: takes the index of a block and its features (1, C, h, w); returns averages (1, C, 1, 1) or (1, C, h, w)."""
Planes = NDArray[np.float32]
"""An image, (3, H, W) in 0 .. 255."""


class Network:
    """A DRN with replaceable pooling."""

    def __init__(self) -> None:
        _, self.config, network, _ = load_network(WEIGHTS)
        assert isinstance(network, DRN)
        self.network = network
        self.card: ModelCard = Upscaler(MODEL).card
        self.blocks = [block for stage in network.up for block in stage.blocks]

    def run(self, lr: Tensor, pool: Pool) -> Planes:
        """Upscale (3, H, W) in 0 .. 255 to (3, scale H, scale W)."""
        for index, block in enumerate(self.blocks):
            block.forward = partial(_attention, block, partial(pool, index))
        return self.network(lr[None])[0].clamp(0, self.config.value_range).numpy()

    def run_tiles(self, lr: Tensor, grid: Grid, pool: Pool) -> Planes:
        """Upscale like `run`, but in the windows of `grid`."""
        scale = self.config.scale
        whole = np.empty((3, lr.shape[1] * scale, lr.shape[2] * scale), np.float32)
        for row, column in grid:
            sr = self.run(lr[:, row.start : row.stop, column.start : column.stop], pool)
            whole[:, _slice_kept(row, scale), _slice_kept(column, scale)] = sr[
                :, _slice_kept(row, scale, row.start), _slice_kept(column, scale, column.start)
            ]
        return whole

    def compute_averages(self, lr: Tensor, grid: Grid) -> list[Tensor]:
        """Averages for each block over the patches that the runtime samples."""
        taken: list[list[Tensor]] = [[] for _ in self.blocks]

        def take(index: int, features: Tensor) -> Tensor:
            taken[index].append(pool_own(index, features))
            return taken[index][-1]

        for row, column in patches((lr.shape[1], lr.shape[2]), grid.window_hw, self.card):
            self.run(lr[:, row.start : row.stop, column.start : column.stop], take)
        return [torch.stack(means).mean(0) for means in taken]

    def pool_windows(self, index: int, features: Tensor) -> Tensor:
        """Average over boxes of `WINDOW_PX` LR pixels. Each stage doubles the resolution, and with it the box."""
        return box_means(features, WINDOW_PX * 2 ** (index // self.config.blocks))


def pool_own(index: int, features: Tensor) -> Tensor:
    """Average over all of the features, as the network does."""
    return features.mean((2, 3), keepdim=True)


def box_means(x: Tensor, side: int) -> Tensor:
    """Means over side x side px around each position of (1, C, h, w); the nearest complete box is used at borders."""
    for axis in (2, 3):
        length = min(side, x.shape[axis])
        sums = torch.cat([torch.zeros_like(x.narrow(axis, 0, 1)), x.cumsum(axis)], axis)
        boxes = x.shape[axis] - length + 1
        means = (sums.narrow(axis, length, boxes) - sums.narrow(axis, 0, boxes)) / length
        nearest = (torch.arange(x.shape[axis]) - (length - 1) // 2).clamp(0, boxes - 1)
        x = means.index_select(axis, nearest)
    return x


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, help="folder of .png files; they are used as LR images")
    parser.add_argument(
        "--tile", type=int, default=96, metavar="PX", help="side of a tile without halo (default: %(default)s)"
    )
    options = parser.parse_args()
    torch.set_num_threads(1)
    network = Network()
    rows: list[dict[str, tuple[float, float, float]]] = []
    with torch.inference_mode():
        for path in sorted(options.folder.glob("*.png")):
            pixels = np.asarray(Image.open(path).convert("RGB")).transpose(2, 0, 1)
            grid = plan(pixels.shape[1:], tile_px=options.tile, halo_px=network.card.halo_8bit_px or 0)
            if len(grid) > 1:
                rows.append(_compare(network, torch.from_numpy(pixels.copy()).float(), grid))
                print(
                    path.stem,
                    *(f"{kind} {_format_line([row])}" for kind, row in rows[-1].items()),
                    sep="; ",
                    flush=True,
                )
    if not rows:
        parser.error(f"expected .png images larger than a tile of {options.tile} px, found none in {options.folder}")
    for kind in rows[0]:
        print(f"{kind:9} {len(rows)} images: {_format_line([row[kind] for row in rows])}")


def _compare(network: Network, lr: Tensor, grid: Grid) -> dict[str, tuple[float, float, float]]:
    """PSNR in dB, largest step in levels and relative extra time, for each kind of averages."""
    whole = network.run(lr, pool_own)
    averages, sampling_s = _time(lambda: network.compute_averages(lr, grid))
    shared, shared_s = _time(lambda: network.run_tiles(lr, grid, lambda index, _: averages[index]))
    windowed, windowed_s = _time(lambda: network.run_tiles(lr, grid, network.pool_windows))
    own_tiles = network.run_tiles(lr, grid, pool_own)
    return {
        "own": (*_measure_difference(own_tiles, whole, grid, network.config.scale), 0.0),
        "shared": (*_measure_difference(shared, whole, grid, network.config.scale), sampling_s / shared_s),
        "windowed": (*_measure_difference(windowed, whole, grid, network.config.scale), windowed_s / shared_s - 1),
    }


def _measure_difference(tiled: Planes, whole: Planes, grid: Grid, scale: int) -> tuple[float, float]:
    difference = tiled - whole
    down, across = (np.abs(np.diff(difference, axis=axis)) for axis in (1, 2))
    steps = [down[:, row.keep_start * scale - 1].max() for row in grid.rows[1:]]
    steps += [across[..., column.keep_start * scale - 1].max() for column in grid.columns[1:]]
    return 10 * float(np.log10(255**2 / np.mean(difference.astype(np.float64) ** 2))), float(max(steps))


def _time(work: Callable[[], Planes | list[Tensor]]) -> tuple[Planes | list[Tensor], float]:
    start = time.process_time()
    result = work()
    return result, time.process_time() - start


def _slice_kept(span: Span, scale: int, origin: int = 0) -> slice:
    return slice((span.keep_start - origin) * scale, (span.keep_stop - origin) * scale)


def _format_line(rows: list[tuple[float, float, float]]) -> str:
    db, step, extra = zip(*rows, strict=True)
    return (
        f"{statistics.median(db):.1f} dB (minimum {min(db):.1f}), largest step {max(step):.2f} levels, "
        f"{statistics.median(extra):+.0%} time"
    )


def _attention(block: torch.nn.Module, pool: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """`training.networks.drn`'s attention block with replaced pooling."""
    residual = block.conv2(block.conv1(x).relu())
    return x + residual * block.excite(block.squeeze(pool(residual)).relu()).sigmoid()


if __name__ == "__main__":
    main()
