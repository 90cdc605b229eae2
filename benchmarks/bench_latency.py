"""Warm latency of every shipped model: one tile, a whole call and file to file, on one thread and on all threads."""

from collections.abc import Callable

from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.timing import cases
from sr_infer import ShippedModel
from sr_infer.resources import usable_cpus

TILE_PX = 96
MAX_PX_REPEATED = 500_000
"""Largest image, in pixels, that is upscaled repeatedly. Larger images are upscaled once."""


def bench_tile(benchmark: BenchmarkFixture, model: ShippedModel, threads: int) -> None:
    """Run only the network, on one tile of 96x96 px."""
    result = benchmark(cases.network(model.name, TILE_PX, threads))
    assert result.shape[2:] == (TILE_PX * model.card.scale, TILE_PX * model.card.scale)


def bench_call(benchmark: BenchmarkFixture, model: ShippedModel, size_hw: tuple[int, int], threads: int) -> None:
    """Upscale a photograph from array to array."""
    result = _measure(benchmark, cases.upscaler(model.name, *size_hw, threads), size_hw)
    assert result.shape == (size_hw[0] * model.card.scale, size_hw[1] * model.card.scale, 3)


def bench_file_to_file(benchmark: BenchmarkFixture, model: ShippedModel, size_hw: tuple[int, int]) -> None:
    """Upscale a JPEG file to a PNG file on all threads."""
    _measure(benchmark, cases.files(model.name, *size_hw, usable_cpus()), size_hw)


def _measure(benchmark: BenchmarkFixture, call: Callable[[], object], size_hw: tuple[int, int]) -> object:
    benchmark.extra_info["megapixels"] = size_hw[0] * size_hw[1] / 1e6
    if size_hw[0] * size_hw[1] > MAX_PX_REPEATED:
        return benchmark.pedantic(call, rounds=1)
    return benchmark(call)
