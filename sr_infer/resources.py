"""What this process may use: processors and memory as affinity, cgroup and operating system allow."""

import ctypes
import os
import platform
import sys
from functools import cache
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")
_OWN_CGROUPS = Path("/proc/self/cgroup")
_UNLIMITED = 1 << 60
"""cgroup v1 writes a number near 2**63 for "no limit"."""


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
    """Memory that this process can still take without swapping or being killed."""
    available = _system_available_bytes()
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


@cache
def _cgroup_folders(controller: str, cgroups: Path, own: Path) -> tuple[Path, ...]:
    """The folders that may limit this process, from its own group up to the root, for cgroup v2 and v1."""
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
    """Page cache that counts as used but is dropped when memory runs short."""
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


def _windows_available_bytes() -> int:
    status = _MemoryStatus(length=ctypes.sizeof(_MemoryStatus))
    if sys.platform == "win32":
        ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status))
    return int(status.available_physical)
