"""Measure time and peak memory of a model on one image for several tile sizes."""

from dataclasses import asdict
from typing import Any

from benchmarks.timing import cases
from benchmarks.timing.interleaved import Candidate, time_interleaved
from sr_infer import ShippedModel
from sr_infer.measure import peak_memory, upscale_case
from sr_infer.resources import usable_cpus
from sr_infer.tiling.geometry import plan

TILES_PX = (32, 64, 96, 128, 192, 256, 384)
PICTURE_PX, SMALL_PICTURE_PX = 384, 192
MAX_SECONDS = 4


def measure(model: ShippedModel) -> dict[str, Any]:
    threads = usable_cpus()
    (timing,) = time_interleaved(
        [Candidate(model.name, cases.network, (model.name, 96, threads))], threads=threads, rounds=3
    )
    expected_s = timing.latency.median_ms / 1e3 * (PICTURE_PX / 96) ** 2
    side = PICTURE_PX if expected_s < MAX_SECONDS else SMALL_PICTURE_PX
    halo = model.card.halo_px if model.card.halo_8bit_px is None else model.card.halo_8bit_px
    rows = []
    for tile in (tile for tile in TILES_PX if tile <= side):
        peak = peak_memory(upscale_case, model.name, side, side, None, tile)
        grid = plan((side, side), tile_px=tile, halo_px=halo, multiple_of_px=model.card.multiple_of_px)
        rows.append({"tile_px": tile, "computed": len(grid) * grid.window_pixels / side**2, **asdict(peak)})
    return {"picture_px": side, "halo_px": halo, "rows": rows}
