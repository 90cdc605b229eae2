"""Processors and memory that this process may use, the memory that it holds, and the features of the processor."""

import contextlib
import ctypes
import os
import platform
import sys
import threading
from functools import cache
from pathlib import Path

from sr_infer.errors import SrInferError

_CPU_FEATURES = (
    "avx",
    "avx2",
    "fma",
    "f16c",
    "avx512f",
    "avx512bw",
    "avx_vnni",
    "avx512_vnni",
    "amx_int8",
    "asimd",
    "asimddp",
)
_CGROUPS = Path("/sys/fs/cgroup")
_OWN_CGROUPS = Path("/proc/self/cgroup")
_UNLIMITED = 1 << 60
"""Limits from here on mean "no limit"; cgroup v1 writes a number near 2**63."""


def usable_cpus(*, cgroups: Path = _CGROUPS, own: Path = _OWN_CGROUPS) -> int:
    """Processors that this process may keep busy: the smaller of its affinity and its cgroup quota, at least 1."""
    cpus = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    for folder in _cgroup_folders("cpu", cgroups, own):
        quota = (_read(folder / "cpu.max") or "max").split()
        if len(quota) == 1:
            quota = [_read(folder / "cpu.cfs_quota_us") or "-1", _read(folder / "cpu.cfs_period_us") or "100000"]
        if quota[0] != "max" and int(quota[0]) > 0:
            cpus = min(cpus, -(-int(quota[0]) // int(quota[1])))
    return max(cpus, 1)


def available_memory_bytes(*, cgroups: Path = _CGROUPS, own: Path = _OWN_CGROUPS) -> int:
    """Memory that this process can still take without swapping, being refused or being killed.

    The least of what the system has left, of what every cgroup from its own to the root allows, and of what
    RLIMIT_AS and RLIMIT_DATA (`ulimit -v`, `ulimit -d`) leave.
    """
    available = min([_system_available_bytes(), *process_limits_left_bytes().values()])
    for folder in _cgroup_folders("memory", cgroups, own):
        for limit_name, used_name in (
            ("memory.max", "memory.current"),
            ("memory.limit_in_bytes", "memory.usage_in_bytes"),
        ):
            limit = _read(folder / limit_name) or "max"
            if limit != "max" and int(limit) < _UNLIMITED:
                used = int(_read(folder / used_name) or "0")
                available = min(available, max(int(limit) - used + _reclaimable_bytes(folder), 0))
    return available


def cpu_name() -> str:
    """The processor as the system names it."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def process_limits_left_bytes() -> dict[str, int]:
    """Name of a limit that is set for this process -> what it leaves; empty where none is set."""
    if sys.platform != "linux":
        return {}
    import resource

    used = dict(line.split(":", 1) for line in (_read(Path("/proc/self/status")) or "").splitlines())
    left = {}
    for name, limit, field in (
        ("RLIMIT_AS (ulimit -v)", resource.RLIMIT_AS, "VmSize"),
        ("RLIMIT_DATA (ulimit -d)", resource.RLIMIT_DATA, "VmData"),
    ):
        allowed = resource.getrlimit(limit)[0]
        if allowed != resource.RLIM_INFINITY and field in used:
            left[name] = max(allowed - int(used[field].split()[0]) * 1024, 0)
    return left


def startable_threads(wanted: int) -> int:
    """How many of `wanted` threads the system lets this process start now, 0 to `wanted`."""
    end = threading.Event()
    threads: list[threading.Thread] = []
    with contextlib.suppress(RuntimeError):  # no further thread can start
        for _ in range(wanted):
            thread = threading.Thread(target=end.wait)
            thread.start()
            threads.append(thread)
    end.set()
    for thread in threads:
        thread.join()
    return len(threads)


def memory_limit_advice() -> str:
    """What bounds the memory of this process, and what to do about it, for error messages."""
    limits = process_limits_left_bytes()
    if limits:
        name = min(limits, key=lambda limit: limits[limit])
        return f"{name} leaves {limits[name] // 10**6} MB, so raise it"
    return "free memory"


@cache
def _cgroup_folders(controller: str, cgroups: Path, own: Path) -> tuple[Path, ...]:
    """Folders whose files may limit this process, from its own group up to the root, for cgroup v2 and v1."""
    folders: list[Path] = []
    for line in (_read(own) or "").splitlines():
        hierarchy, controllers, group = line.split(":", 2)
        if hierarchy == "0":
            root = cgroups
        elif controller in controllers.split(","):
            root = cgroups / controller
        else:
            continue
        folder = root / group.lstrip("/")
        folders += [parent for parent in (folder, *folder.parents) if parent.is_relative_to(root)]
    return tuple(folder for folder in folders if any(folder.glob(f"{controller}.*")))


def _reclaimable_bytes(folder: Path) -> int:
    """Page cache that counts as used memory but is dropped when memory runs short."""
    lines = (_read(folder / "memory.stat") or "").splitlines()
    pairs = dict(line.split(" ", 1) for line in lines if " " in line)
    return int(pairs.get("inactive_file", pairs.get("total_inactive_file", "0")))


def _read(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except OSError:
        return None


def _system_available_bytes() -> int:
    if sys.platform == "win32":
        return _windows_available_bytes()
    for line in (_read(Path("/proc/meminfo")) or "").splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2


def resident_bytes() -> int:
    """Physical memory that this process holds now."""
    if sys.platform == "linux":
        return _linux_status_bytes("VmRSS")
    if sys.platform == "win32":
        return int(_windows_counters().working_set)
    return peak_resident_bytes()


def peak_resident_bytes() -> int:
    """Highest physical memory of this process since its start or `reset_peak_resident_bytes`."""
    if sys.platform == "linux":
        return _linux_status_bytes("VmHWM")
    if sys.platform == "win32":
        return int(_windows_counters().peak_working_set)
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def reset_peak_resident_bytes() -> None:
    """Start measuring the peak from now; does nothing where the system has no such function."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")


def _linux_status_bytes(key: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(key):
            return int(line.split()[1]) * 1024
    raise SrInferError(f"/proc/self/status has no {key}")


def cpu_features() -> list[str] | str:
    """Instruction sets of this processor that speed up networks; a text where the system does not list them."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return f"unknown on {platform.system()}, {platform.machine()}"
    flags = next(
        (line.partition(":")[2].split() for line in text.splitlines() if line.startswith(("flags", "Features"))), []
    )
    return [feature for feature in _CPU_FEATURES if feature in flags]


class _MemoryStatus(ctypes.Structure):
    """MEMORYSTATUSEX of the Windows API."""

    _fields_ = (
        ("length", ctypes.c_uint32),
        ("load_percent", ctypes.c_uint32),
        ("total_physical", ctypes.c_uint64),
        ("available_physical", ctypes.c_uint64),
        ("total_page_file", ctypes.c_uint64),
        ("available_page_file", ctypes.c_uint64),
        ("total_virtual", ctypes.c_uint64),
        ("available_virtual", ctypes.c_uint64),
        ("available_extended_virtual", ctypes.c_uint64),
    )


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


def _windows_available_bytes() -> int:
    status = _MemoryStatus(length=ctypes.sizeof(_MemoryStatus))
    if sys.platform == "win32":
        ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status))
    return int(status.available_physical)


def _windows_counters() -> _ProcessMemoryCounters:
    counters = _ProcessMemoryCounters(size=ctypes.sizeof(_ProcessMemoryCounters))
    if sys.platform == "win32":
        process = ctypes.c_void_p(ctypes.windll.kernel32.GetCurrentProcess())
        ctypes.windll.psapi.GetProcessMemoryInfo(process, ctypes.byref(counters), counters.size)
    return counters
