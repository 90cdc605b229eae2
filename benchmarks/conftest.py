"""Prints the memory that `bench_memory` measured below pytest-benchmark's table of times."""

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    rows = [bench for bench in config._benchmarksession.benchmarks if "peak_bytes" in bench.extra_info]
    if rows:
        terminalreporter.section("peak memory, a process each")
    for bench in rows:
        peak_mb, base_mb = (bench.extra_info[key] / 1e6 for key in ("peak_bytes", "baseline_bytes"))
        terminalreporter.line(f"{bench.name:60}{peak_mb:8.0f} MB, {peak_mb - base_mb:.0f} MB of it added by the call")
