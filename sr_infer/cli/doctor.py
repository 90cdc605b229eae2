"""What this machine allows and what the default model will cost on it."""

import importlib.util
import os
import platform
from pathlib import Path
from typing import Any

import numpy as np

from sr_infer import __version__, memory, model_zoo, resources
from sr_infer.engine import onnxruntime_engine
from sr_infer.errors import SrInferError
from sr_infer.measure import latency
from sr_infer.upscaler import Upscaler

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
_PROBE_PX = 96
_FULL_HD_PX = 1920 * 1080


def report() -> dict[str, Any]:
    """Facts by name, each a string, number or list that JSON can hold."""
    onnxruntime = onnxruntime_engine.import_onnxruntime()
    available = resources.available_memory_bytes()
    facts: dict[str, Any] = {
        "sr-infer": __version__,
        "python": platform.python_version(),
        "onnxruntime": onnxruntime.__version__,
        "providers": onnxruntime.get_available_providers(),
        "system": platform.platform(),
        "cpu features": cpu_features(),
        "processors": os.cpu_count(),
        "threads by default": resources.usable_cpus(),
        "memory available": memory.format_bytes(available),
        "memory of a call by default": memory.format_bytes(int(available * memory.DEFAULT_SHARE)),
        "16-bit colour": _hdr_state(),
        "damaged models": _damaged_models(),
        "default model": model_zoo.DEFAULT_MODEL,
    }
    return facts | _default_model_cost()


def cpu_features() -> list[str] | str:
    """Instruction sets that matter to a network, of those that the processor has."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return f"unknown on {platform.system()}, {platform.machine()}"
    flags = next(
        (line.partition(":")[2].split() for line in text.splitlines() if line.startswith(("flags", "Features"))), []
    )
    return [feature for feature in _CPU_FEATURES if feature in flags]


def _hdr_state() -> str:
    missing = [name for name in ("tifffile", "imagecodecs") if importlib.util.find_spec(name) is None]
    return f"no, for want of {' and '.join(missing)}: pip install 'sr-infer[hdr]'" if missing else "yes"


def _damaged_models() -> list[str]:
    damaged = []
    for row in model_zoo.available_models():
        try:
            row.verify()
        except SrInferError as error:
            damaged.append(str(error))
    return damaged


def _default_model_cost() -> dict[str, Any]:
    try:
        upscaler = Upscaler()
        picture = np.random.default_rng(0).integers(0, 256, (_PROBE_PX, _PROBE_PX, 3), np.uint8)
        median_ms = latency(lambda: upscaler(picture), repeats=3).median_ms
    except SrInferError as error:
        return {"default model's cost": f"not known: {error}"}
    full_hd_s = median_ms / 1e3 * _FULL_HD_PX / _PROBE_PX**2
    return {
        "time for 96x96 px": f"{median_ms:.0f} ms",
        "time for 1920x1080 px": f"about {full_hd_s:.0f} s",
        "working memory per input px": f"{upscaler.card.bytes_per_px:.0f} bytes",
    }
