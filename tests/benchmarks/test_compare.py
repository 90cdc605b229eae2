"""Two runs of pytest-benchmark are compared from their files."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.compare import main

BENCHMARK = """
import time
def test_sleep(benchmark):
    benchmark.pedantic(time.sleep, ({seconds},), rounds=5)
def test_memory(benchmark):
    benchmark.extra_info["peak_bytes"] = {peak_bytes}
    benchmark.pedantic(int, rounds=1)
"""


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("runs")
    paths = {}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_XDIST")}
    for name, seconds, peak_bytes in (("base", 0.01, 1000), ("same", 0.01, 1010), ("slow", 0.04, 1500)):
        (folder / "test_it.py").write_text(BENCHMARK.format(seconds=seconds, peak_bytes=peak_bytes))
        paths[name] = folder / f"{name}.json"
        options = ["-q", "-p", "no:cacheprovider", f"--benchmark-json={paths[name]}"]
        subprocess.run(
            [sys.executable, "-m", "pytest", *options, "test_it.py"], cwd=folder, env=environment, check=True
        )
    return paths


def test_changes_beyond_the_noise_are_listed(runs: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(runs["base"]), str(runs["slow"])]) == 0
    time, memory, total = capsys.readouterr().out.splitlines()
    assert "time of test_it.py::test_sleep" in time
    assert float(time.split("x")[0]) > 2
    assert memory.strip().startswith("1.50x")
    assert total == "2 of 2 measurements changed beyond the noise"


def test_a_small_change_of_memory_is_noise(runs: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    main([str(runs["base"]), str(runs["same"])])
    assert "peak memory" not in capsys.readouterr().out


def test_files_without_a_common_benchmark_are_refused(
    runs: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "other.json").write_text(json.dumps({"benchmarks": []}))
    assert main([str(runs["base"]), str(tmp_path / "other.json")]) == 2
    assert main([str(runs["base"]), str(tmp_path / "absent.json")]) == 2
    assert "no benchmark in common" in capsys.readouterr().err
