"""Measure time and peak memory of a model on 1920x1080 px, and the pure time of its network for as many pixels.

The pure time is measured before and after the calls. One network per processor runs on one thread and one square image,
without overlap, conversion or files.
"""

import statistics
from dataclasses import asdict
from typing import Any

import numpy as np

from benchmarks.collectors import SHOWN_IN_FULL
from benchmarks.timing import cases
from benchmarks.timing.interleaved import Candidate, time_interleaved
from sr_infer import ShippedModel
from sr_infer.engine.session import ENGINE
from sr_infer.image_io.reader import Layout
from sr_infer.measure import peak_memory, upscale_case
from sr_infer.options import Options
from sr_infer.resources import available_memory_bytes, usable_cpus
from sr_infer.tiling.planner import plan_tiles

SIZE_HW = (1080, 1920)
SQUARE_PX = 96
BUDGET, BUDGET_OF_ATTENTION = "300MB", "1GB"
MAX_SECONDS = 60
"""Limit of the expected time. A slower float model runs once, with a budget; a slower int8 model is left out."""


def measure(model: ShippedModel, *, slow: bool = False) -> dict[str, Any]:
    """Measure the cases that suit the speed of the model.

    Args:
        model: the model to run.
        slow: whether to run every case, even if it takes minutes.
    """
    pure = [_us_per_px(model.name)]
    expected_s = pure[0] * SIZE_HW[0] * SIZE_HW[1] / 1e6
    if expected_s > MAX_SECONDS and model.card.precision == "int8" and not slow:
        return {"skipped": f"expected to take {expected_s:.0f} s; use --slow to measure it"}
    budget = BUDGET_OF_ATTENTION if model.card.global_pooling else BUDGET
    rows = {}
    if expected_s <= MAX_SECONDS or slow:
        rows["chosen by itself"] = _case(model, None, None)
    if expected_s > MAX_SECONDS or slow or model.name == SHOWN_IN_FULL:
        rows[f"max_memory={budget}"] = _case(model, budget, None)
    if slow or model.name == SHOWN_IN_FULL:
        rows["one piece"] = _whole(model)
    if slow:
        rows["file to file"] = asdict(peak_memory(cases.files, model.name, *SIZE_HW, usable_cpus()))
    pure.append(_us_per_px(model.name))
    of_first_case = halo_factor(model, None if "chosen by itself" in rows else budget)
    return {"pure_us_per_px": statistics.mean(pure), "cases": rows, "halo_factor": of_first_case}


def halo_factor(model: ShippedModel, budget: str | None) -> float:
    """Pixels that the network computes with the runtime's tiling, divided by the pixels of the image."""
    plan = plan_tiles(
        Layout(SIZE_HW, 3, np.dtype(np.uint8)),
        model.card,
        Options(max_memory=budget),
        ENGINE.WORKING_SET,
        lambda grid: SIZE_HW[0] * SIZE_HW[1] * 3 * (1 + model.card.scale**2),
    )
    return len(plan.grid) * plan.grid.window_pixels / (SIZE_HW[0] * SIZE_HW[1])


def _whole(model: ShippedModel) -> dict[str, Any]:
    needed = SIZE_HW[0] * SIZE_HW[1] * model.card.bytes_per_px * 1.3
    if needed > available_memory_bytes() * 0.8:
        return {"skipped": f"needs {needed / 1e9:.0f} GB"}
    return _case(model, str(available_memory_bytes()), max(SIZE_HW))


def _case(model: ShippedModel, budget: str | None, tile: int | None) -> dict[str, Any]:
    return asdict(peak_memory(upscale_case, model.name, *SIZE_HW, budget, tile))


def _us_per_px(model: str) -> float:
    threads = usable_cpus()
    alone = Candidate(model, cases.networks_at_once, (model, SQUARE_PX, threads))
    (timing,) = time_interleaved([alone], threads=threads, rounds=5, seconds=10)
    return timing.latency.median_ms * 1e3 / (threads * SQUARE_PX**2)
