"""The machine card: what figures were measured on."""

import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from sr_infer.resources import available_memory_bytes, cpu_features, usable_cpus

PACKAGES = ("sr-infer", "onnxruntime", "numpy", "torch", "openvino", "ncnn", "opencv-python-headless", "pillow")


def machine_card() -> dict[str, Any]:
    """Facts by name, each something that JSON can hold."""
    return {
        "cpu": cpu_name(),
        "features": cpu_features(),
        "cores": usable_cpus(),
        "memory_gb": round(available_memory_bytes() / 1e9),
        "system": f"{platform.system()} {platform.release().partition('-')[0]}, {platform.machine()}",
        "python": platform.python_version(),
        "packages": {name: found for name in PACKAGES if (found := _version(name))},
    }


def cpu_name() -> str:
    """The processor as the system names it."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
