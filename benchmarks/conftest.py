"""Fixtures and options of `pytest benchmarks`; memory measured in other processes is printed below the times."""

import pytest

from sr_infer import ShippedModel, available_models
from sr_infer.resources import usable_cpus

SMALL_HW, LARGE_HW = (96, 96), (1080, 1920)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--quick", action="store_true", help="leave out images of 1920x1080 px")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--quick"):
        large = [item for item in items if "1920x1080" in item.name]
        config.hook.pytest_deselected(items=large)
        items[:] = [item for item in items if item not in large]


@pytest.fixture(params=available_models(), ids=lambda model: model.name)
def model(request: pytest.FixtureRequest) -> ShippedModel:
    return request.param


@pytest.fixture(params=[SMALL_HW, LARGE_HW], ids=["96x96", "1920x1080"])
def size_hw(request: pytest.FixtureRequest) -> tuple[int, int]:
    return request.param


@pytest.fixture(params=sorted({1, usable_cpus()}), ids=lambda threads: f"threads={threads}")
def threads(request: pytest.FixtureRequest) -> int:
    return request.param


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    rows = [bench for bench in config._benchmarksession.benchmarks if "peak_bytes" in bench.extra_info]
    if rows:
        terminalreporter.section(
            "one process per row: time of the first call, memory after import, peak memory, difference"
        )
    for bench in rows:
        facts = bench.extra_info
        imported, peak = facts["imported_bytes"] / 1e6, facts["peak_bytes"] / 1e6
        line = f"{bench.name:64}{facts['call_ms']:9.0f} ms {imported:6.0f} MB {peak:6.0f} MB {peak - imported:6.0f} MB"
        terminalreporter.line(line)
