"""First call and peak memory of every shipped model, measured in one process per case.

pytest-benchmark's table shows the run time of the whole process. The table below it shows the measurements.
"""

from collections.abc import Callable
from dataclasses import asdict

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from sr_infer import ShippedModel
from sr_infer.measure import first_call_case, peak_memory, upscale_case
from sr_infer.resources import available_memory_bytes

BUDGETS = {"no-budget": None, "small-budget": "300MB"}
BUDGET_OF_ATTENTION = "1GB"
"""Budget for networks that average over the whole image. They need larger windows."""


def bench_first_call(benchmark: BenchmarkFixture, model: ShippedModel, threads: int) -> None:
    """Load the model and upscale 96x96 px."""
    _measure(benchmark, first_call_case, model.name, 96, 96, threads)


@pytest.mark.parametrize("division", [*BUDGETS, "whole"])
def bench_peak_memory(
    benchmark: BenchmarkFixture, model: ShippedModel, size_hw: tuple[int, int], division: str
) -> None:
    """Upscale a photograph, in tiles chosen by the budget or in one piece."""
    height, width = size_hw
    tile, budget = None, BUDGETS.get(division)
    if division == "whole":
        tile, budget = max(size_hw), str(available_memory_bytes())
        needed = height * width * model.card.bytes_per_px * 1.2
        if needed > available_memory_bytes() * 0.8:
            pytest.skip(f"one piece needs {needed / 1e9:.0f} GB")
    elif budget and model.card.global_pooling:
        budget = BUDGET_OF_ATTENTION
    _measure(benchmark, upscale_case, model.name, height, width, budget, tile)


def _measure(benchmark: BenchmarkFixture, case: Callable[..., Callable[[], object]], *arguments: object) -> None:
    peak = benchmark.pedantic(peak_memory, (case, *arguments), rounds=1)
    benchmark.extra_info |= asdict(peak)
    assert peak.added_since_import_bytes > 0
