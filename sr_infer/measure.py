"""Measure the time and the peak memory of a call."""

import importlib
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sr_infer.errors import OptionError, SrInferError
from sr_infer.resources import peak_resident_bytes, reset_peak_resident_bytes, resident_bytes


@dataclass(frozen=True, kw_only=True)
class Latency:
    """Wall time of a call, measured several times after warming up."""

    median_ms: float
    p90_ms: float
    """90th percentile: nine of ten calls took less."""
    spread_ms: float
    """Distance between the first and the third quartile."""
    repeats: int


@dataclass(frozen=True, kw_only=True)
class PeakMemory:
    """Resident memory of a process that did nothing else, and the time of its only call."""

    imported_bytes: int
    """Resident memory after import."""
    baseline_bytes: int
    """Resident memory after import and preparation."""
    peak_bytes: int
    """Peak resident memory during the call."""
    call_ms: float
    """Wall time of the call."""

    @property
    def added_by_call_bytes(self) -> int:
        """Memory that the call added after preparation."""
        return max(self.peak_bytes - self.baseline_bytes, 0)

    @property
    def added_since_import_bytes(self) -> int:
        """Memory that preparation and call added after import: model, image, result and working set."""
        return max(self.peak_bytes - self.imported_bytes, 0)


def latency(call: Callable[[], object], *, repeats: int = 5, warm_up: int = 1) -> Latency:
    """Time a call.

    Raises:
        OptionError: fewer than one repeat.
    """
    if repeats < 1:
        raise OptionError(f"expected at least 1 repeat, got {repeats}")
    for _ in range(warm_up):
        call()
    times_ms = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times_ms.append((time.perf_counter() - start) * 1e3)
    return summarise(times_ms)


def summarise(times_ms: Sequence[float]) -> Latency:
    """Compute the quantiles of at least one wall time."""
    cuts = statistics.quantiles(times_ms, n=20, method="inclusive") if len(times_ms) > 1 else [*times_ms] * 19
    return Latency(median_ms=cuts[9], p90_ms=cuts[17], spread_ms=cuts[14] - cuts[4], repeats=len(times_ms))


def peak_memory(case: Callable[..., Callable[[], object]], *arguments: Any) -> PeakMemory:
    """Measure a call in a process of its own.

    Args:
        case: a function of an importable module. It prepares (loads a model, makes an image) and returns the call to
            measure, which takes no arguments.
        arguments: arguments of the function; anything that JSON can hold.

    Raises:
        SrInferError: the process failed; the message ends with the last line that it printed.
    """
    name = import_name(case)
    command = [sys.executable, "-m", "sr_infer.measure", name, json.dumps(arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SrInferError(f"measuring {name} failed: {done.stderr.strip().rpartition(chr(10))[2]}")
    return PeakMemory(**json.loads(done.stdout.rpartition("{")[1] + done.stdout.rpartition("{")[2]))


def import_name(function: Callable[..., object]) -> str:
    """The name "package.module:function", by which another process can import a function."""
    module = function.__module__
    if module == "__main__" and (spec := sys.modules["__main__"].__spec__) is not None:
        module = spec.name
    return f"{module}:{function.__qualname__}"


def upscale_case(
    model: str,
    height: int,
    width: int,
    max_memory: str | None = None,
    tile: int | None = None,
    threads: int | None = None,
) -> Callable[[], object]:
    """A case of `peak_memory`: upscale an RGB array of noise with a model that is already loaded."""
    import numpy as np

    from sr_infer.upscaler import Upscaler

    picture = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    upscaler = Upscaler(model, max_memory=max_memory, tile=tile, threads=threads)
    upscaler.load()
    return lambda: upscaler(picture)


def first_call_case(model: str, height: int, width: int, threads: int | None = None) -> Callable[[], object]:
    """A case of `peak_memory`: as `upscale_case`, but the call also loads the model."""
    import numpy as np

    from sr_infer.upscaler import Upscaler

    picture = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    return lambda: Upscaler(model, threads=threads)(picture)


def network_case(path: str, side_px: int) -> Callable[[], object]:
    """A case of `peak_memory`: run only the network of an .onnx file on a square of noise."""
    import numpy as np

    from sr_infer.engine.session import shared

    session = shared(Path(path))
    channels = 1 if session.card.colour == "Y" else 3
    lr = np.random.default_rng(0).random((1, channels, side_px, side_px), np.float32)
    return lambda: session.run(lr)


def _main(case: str, arguments: str) -> None:
    module_name, _, function = case.partition(":")
    module = importlib.import_module(module_name)
    imported = resident_bytes()
    call = getattr(module, function)(*json.loads(arguments))
    reset_peak_resident_bytes()
    baseline = resident_bytes()
    start = time.perf_counter()
    call()
    peak = PeakMemory(
        imported_bytes=imported,
        baseline_bytes=baseline,
        call_ms=(time.perf_counter() - start) * 1e3,
        peak_bytes=peak_resident_bytes(),
    )
    print(json.dumps(asdict(peak)))


if __name__ == "__main__":
    _main(*sys.argv[1:])
