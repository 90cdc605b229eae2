"""Peak memory of every shipped model, a process for each case; the time shown is the whole life of that process."""

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from sr_infer import available_models
from sr_infer.measure import peak_memory


@pytest.mark.parametrize("size_hw", [(96, 96), (1080, 1920)], ids=["96x96", "1920x1080"])
@pytest.mark.parametrize("name", [model.name for model in available_models()])
def bench_peak_memory(benchmark: BenchmarkFixture, name: str, size_hw: tuple[int, int]) -> None:
    peak = benchmark.pedantic(peak_memory, ("sr_infer.measure:upscale_case", name, *size_hw), rounds=1)
    benchmark.extra_info |= {"baseline_bytes": peak.baseline_bytes, "peak_bytes": peak.peak_bytes}
    assert peak.added_bytes > 0
