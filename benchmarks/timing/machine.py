"""The machine card: facts about the machine of a measurement."""

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from sr_infer.resources import available_memory_bytes, cpu_features, cpu_name, usable_cpus

PACKAGES = ("sr-infer", "onnxruntime", "numpy", "torch", "openvino", "ncnn", "opencv-python-headless", "pillow")


def machine_card() -> dict[str, Any]:
    """Facts about this machine by name, as JSON can hold them."""
    return {
        "cpu": cpu_name(),
        "features": cpu_features(),
        "cores": usable_cpus(),
        "memory_gb": round(available_memory_bytes() / 1e9),
        "system": f"{platform.system()} {platform.release().partition('-')[0]}, {platform.machine()}",
        "python": platform.python_version(),
        "packages": {name: found for name in PACKAGES if (found := _version(name))},
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
