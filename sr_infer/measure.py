"""How long a call takes and how much memory it needs: the one home of both measurements."""

import contextlib
import ctypes
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


@dataclass(frozen=True, kw_only=True)
class Latency:
    """Wall time of a call that was made several times after warming up."""

    median_ms: float
    p90_ms: float
    """Nine of ten calls took less."""
    spread_ms: float
    """Between the first and third quartile."""
    repeats: int


@dataclass(frozen=True, kw_only=True)
class PeakMemory:
    """Resident memory of a process that did nothing else, and the time of its one call."""

    imported_bytes: int
    """After import alone."""
    baseline_bytes: int
    """After import and preparation."""
    peak_bytes: int
    """The most during the call."""
    call_ms: float
    """Wall time of the call."""

    @property
    def added_bytes(self) -> int:
        """What the call added."""
        return max(self.peak_bytes - self.baseline_bytes, 0)

    @property
    def grown_bytes(self) -> int:
        """What preparation and call added to a process that had only imported: model, picture, result, working set."""
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
    return summarised(times_ms)


def summarised(times_ms: Sequence[float]) -> Latency:
    """The quantiles of at least one wall time."""
    cuts = statistics.quantiles(times_ms, n=20, method="inclusive") if len(times_ms) > 1 else [*times_ms] * 19
    return Latency(median_ms=cuts[9], p90_ms=cuts[17], spread_ms=cuts[14] - cuts[4], repeats=len(times_ms))


def peak_memory(case: str, *arguments: Any) -> PeakMemory:
    """Measure a call in a process of its own.

    Args:
        case: "package.module:function"; the function prepares (loads a model, makes a picture) and returns the call to
            measure, which takes nothing.
        arguments: of the function; anything that JSON can hold.

    Raises:
        SrInferError: the process failed; the message ends with what it printed last.
    """
    command = [sys.executable, "-m", "sr_infer.measure", case, json.dumps(arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SrInferError(f"measuring {case} failed: {done.stderr.strip().rpartition(chr(10))[2]}")
    return PeakMemory(**json.loads(done.stdout.rpartition("{")[1] + done.stdout.rpartition("{")[2]))


def upscale_case(
    model: str,
    height: int,
    width: int,
    max_memory: str | None = None,
    tile: int | None = None,
    threads: int | None = None,
) -> Callable[[], object]:
    """A case of `peak_memory`: an RGB array of noise through `Upscaler`, the model being loaded before."""
    import numpy as np

    from sr_infer.upscaler import Upscaler

    picture = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    upscaler = Upscaler(model, max_memory=max_memory, tile=tile, threads=threads)
    upscaler.load()
    return lambda: upscaler(picture)


def first_call_case(model: str, height: int, width: int, threads: int | None = None) -> Callable[[], object]:
    """A case of `peak_memory`: as `upscale_case`, but the model is loaded in the call."""
    import numpy as np

    from sr_infer.upscaler import Upscaler

    picture = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    return lambda: Upscaler(model, threads=threads)(picture)


def resident_bytes() -> int:
    """Physical memory that this process holds now."""
    if sys.platform == "linux":
        return _linux_status_bytes("VmRSS")
    if sys.platform == "win32":
        return int(_windows_counters().working_set)
    return peak_resident_bytes()


def peak_resident_bytes() -> int:
    """The most physical memory that this process has held."""
    if sys.platform == "linux":
        return _linux_status_bytes("VmHWM")
    if sys.platform == "win32":
        return int(_windows_counters().peak_working_set)
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def forget_peak() -> None:
    """Let the peak start from now, where the system can."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")


def _linux_status_bytes(key: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(key):
            return int(line.split()[1]) * 1024
    raise SrInferError(f"/proc/self/status has no {key}")


class _ProcessMemoryCounters(ctypes.Structure):
    """PROCESS_MEMORY_COUNTERS of the Windows API."""

    _fields_ = (
        ("size", ctypes.c_uint32),
        ("page_faults", ctypes.c_uint32),
        ("peak_working_set", ctypes.c_size_t),
        ("working_set", ctypes.c_size_t),
        ("peak_paged_pool", ctypes.c_size_t),
        ("paged_pool", ctypes.c_size_t),
        ("peak_non_paged_pool", ctypes.c_size_t),
        ("non_paged_pool", ctypes.c_size_t),
        ("page_file", ctypes.c_size_t),
        ("peak_page_file", ctypes.c_size_t),
    )


def _windows_counters() -> _ProcessMemoryCounters:
    counters = _ProcessMemoryCounters(size=ctypes.sizeof(_ProcessMemoryCounters))
    if sys.platform == "win32":
        process = ctypes.c_void_p(ctypes.windll.kernel32.GetCurrentProcess())
        ctypes.windll.psapi.GetProcessMemoryInfo(process, ctypes.byref(counters), counters.size)
    return counters


def _main(case: str, arguments: str) -> None:
    module_name, _, function = case.partition(":")
    module = importlib.import_module(module_name)
    imported = resident_bytes()
    call = getattr(module, function)(*json.loads(arguments))
    forget_peak()
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
