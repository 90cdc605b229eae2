"""`python -m benchmarks.choosing`: print the cost of each way to run a model on this machine as a Markdown table.

Each way is a command. It runs on one image and again on several images, which separates the cost of the start from the
cost of each further image. `batch` needs `sr-infer[ray]`.
"""

import importlib.util
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from PIL import Image

from benchmarks.photographs import load_photograph
from sr_infer.resources import cpu_name, usable_cpus

MODEL = "srpn-lite-x2"
WIDTH, HEIGHT = 160, 120
PICTURES = 13
_SAMPLED_EVERY_S = 0.05


@dataclass(frozen=True)
class Cost:
    """Time and memory of one run."""

    seconds: float
    peak_bytes: int
    """Peak resident memory of the command and its children. Shared memory counts once per process."""


def main() -> int:
    print(f"Measured on {cpu_name()}, {usable_cpus()} cores: {MODEL}, photographs of {WIDTH}x{HEIGHT} px.")
    print()
    print(table(measure()))
    return 0


def measure() -> dict[str, Any]:
    """Measure the cost of each way; a way that cannot run has the reason."""
    photographs, found = _photographs(), {}
    with tempfile.TemporaryDirectory() as folder:
        for way, arguments in _ways().items():
            if arguments[0] == "batch" and importlib.util.find_spec("ray") is None:
                found[way] = {"skipped": "not installed: ray"}
                continue
            first, all_of_them = (_run(arguments, photographs[:count], Path(folder)) for count in (1, PICTURES))
            further_ms = (all_of_them.seconds - first.seconds) / (PICTURES - 1) * 1e3
            found[way] = {"first_s": first.seconds, "further_ms": further_ms, "peak_bytes": all_of_them.peak_bytes}
    return found


def table(found: Mapping[str, Mapping[str, Any]]) -> str:
    """Format the result of `measure` as Markdown."""
    lines = ["| way | first picture | each further | memory |", "|---|---|---|---|"]
    for way, cost in found.items():
        if "skipped" in cost:
            lines.append(f"| `{way}` | {cost['skipped']} | - | - |")
        else:
            cells = f"{cost['first_s']:.1f} s | {cost['further_ms']:.0f} ms | {cost['peak_bytes'] / 1e6:.0f} MB"
            lines.append(f"| `{way}` | {cells} |")
    return "\n".join(lines)


def _ways() -> dict[str, tuple[str, ...]]:
    """Arguments of `sr-infer` by the name of the way."""
    return {
        "upscale": ("upscale", "in", "-o", "out"),
        "upscale --jobs 2": ("upscale", "in", "-o", "out", "--jobs", "2"),
        "batch --workers 1": ("batch", "in", "out", "--workers", "1"),
        "batch --workers 2": ("batch", "in", "out", "--workers", "2"),
        "pipe --jobs 1": ("pipe", "--size", f"{WIDTH}x{HEIGHT}", "--jobs", "1"),
        "pipe": ("pipe", "--size", f"{WIDTH}x{HEIGHT}"),
    }


def _photographs() -> list[np.ndarray]:
    coffee = load_photograph("coffee")
    tops, lefts = np.arange(5) * 60, np.arange(5) * 100
    return [coffee[top : top + HEIGHT, left : left + WIDTH] for top in tops for left in lefts][:PICTURES]


def _run(arguments: tuple[str, ...], photographs: list[np.ndarray], parent: Path) -> Cost:
    with tempfile.TemporaryDirectory(dir=parent) as name:
        folder = Path(name)
        (folder / "in").mkdir()
        for index, photograph in enumerate(photographs):
            Image.fromarray(photograph).save(folder / "in" / f"{index}.png")
        (folder / "frames.rgb24").write_bytes(b"".join(photograph.tobytes() for photograph in photographs))
        command = [sys.executable, "-m", "sr_infer", *arguments, "-m", MODEL]
        with (folder / "frames.rgb24").open("rb") as frames:
            return _cost(command, folder, frames.fileno())


def _cost(command: list[str], folder: Path, stdin: int) -> Cost:
    start = time.perf_counter()
    peak_bytes = 0
    with subprocess.Popen(
        command, cwd=folder, stdin=stdin, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        while process.poll() is None:
            peak_bytes = max(peak_bytes, _resident_bytes(process.pid))
            time.sleep(_SAMPLED_EVERY_S)
    if process.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}")
    return Cost(time.perf_counter() - start, peak_bytes)


def _resident_bytes(pid: int) -> int:
    total = 0
    try:
        root = psutil.Process(pid)
        for process in (root, *root.children(recursive=True)):
            total += process.memory_info().rss
    except psutil.NoSuchProcess:
        pass  # a process has just ended
    return total


if __name__ == "__main__":
    sys.exit(main())
