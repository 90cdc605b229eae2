"""Measure how the time of a call divides into network, halo, session, averages and conversion, on one thread."""

from typing import Any

from benchmarks.timing import cases
from benchmarks.timing.interleaved import Candidate, time_interleaved
from sr_infer import ShippedModel
from sr_infer.tiling.geometry import plan
from sr_infer.tiling.pooled_statistics import patches

SIDE_PX = 192
TILE_PX = 96
PRODUCT_SIDE = 2048
TINY_PX = 8


def measure(model: ShippedModel) -> dict[str, Any]:
    """Measure medians in ms of the parts of a call on 192x192 px in tiles of 96 px, and GFLOP/s.

    The part `network` is the time for the image's own pixels, without the halo. The part `session` is the time of calls
    on 8x8 px minus the time that their pixels need.
    """
    card = model.card
    halo = card.halo_px if card.halo_8bit_px is None else card.halo_8bit_px
    grid = plan((SIDE_PX, SIDE_PX), tile_px=TILE_PX, halo_px=halo, multiple_of_px=card.multiple_of_px)
    window_px = grid.window_hw[0]
    candidates = [
        Candidate("call", cases.upscaler, (model.name, SIDE_PX, SIDE_PX, 1, TILE_PX)),
        Candidate("window", cases.network, (model.name, window_px, 1)),
        Candidate("tiny", cases.network, (model.name, TINY_PX, 1)),
        Candidate("product", cases.matrix_product, (PRODUCT_SIDE, 1)),
    ]
    timings = time_interleaved(candidates, threads=1, rounds=7, seconds=15)
    failed = [timing.failure for timing in timings if timing.failure]
    if failed:
        return {"skipped": failed[0]}
    call, window, tiny, product = (timing.latency.median_ms for timing in timings)
    computed = len(grid) * grid.window_pixels / SIDE_PX**2
    network = window * len(grid)
    session = max(tiny - window * TINY_PX**2 / window_px**2, 0) * len(grid)
    useful = (network - session) / computed
    averages = 0.0
    if card.global_pooling:
        sampled = patches((SIDE_PX, SIDE_PX), grid.window_hw, card)
        averages = window * len(sampled) * sampled.window_pixels / grid.window_pixels
    return {
        "product_gflops": 2 * PRODUCT_SIDE**3 / product / 1e6,
        "network_gflops": 2 * card.macs_per_px * SIDE_PX**2 / useful / 1e6,
        "call_ms": call,
        "network_ms": useful,
        "halo_ms": network - session - useful,
        "session_ms": session,
        "averages_ms": averages,
        "conversion_ms": max(call - network - averages, 0),
    }
