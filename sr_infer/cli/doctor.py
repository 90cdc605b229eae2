"""The command `sr-infer doctor`: what this machine allows, and the cost of the default model on it."""

import argparse
import importlib.util
import os
import platform
from typing import Any

import numpy as np

from sr_infer import __version__, memory, model_zoo, resources
from sr_infer.cli.arguments import Subcommands, add_json
from sr_infer.cli.console import DONE, print_facts
from sr_infer.engine import onnxruntime_engine
from sr_infer.errors import SrInferError
from sr_infer.measure import latency
from sr_infer.upscaler import Upscaler

_PROBE_PX = 96
_FULL_HD_PIXELS = 1920 * 1080


def add_command(commands: Subcommands) -> None:
    command = commands.add_parser("doctor", help="what this machine allows, and the cost of the default model on it")
    add_json(command)
    command.set_defaults(run=_run)


def _run(parsed: argparse.Namespace) -> int:
    print_facts(report(), as_json=parsed.json)
    return DONE


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
        "cpu features": resources.cpu_features(),
        "processors": os.cpu_count(),
        "threads by default": resources.usable_cpus(),
        "memory available": memory.format_bytes(available),
        "memory of a call by default": memory.format_bytes(int(available * memory.DEFAULT_SHARE)),
        "16-bit colour": _hdr_state(),
        "damaged models": _damaged_models(),
        "default model": model_zoo.DEFAULT_MODEL,
    }
    return facts | _default_model_cost()


def _hdr_state() -> str:
    missing = [name for name in ("tifffile", "imagecodecs") if importlib.util.find_spec(name) is None]
    return f"no, it needs {' and '.join(missing)}: pip install 'sr-infer[hdr]'" if missing else "yes"


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
    full_hd_s = median_ms / 1e3 * _FULL_HD_PIXELS / _PROBE_PX**2
    return {
        "time for 96x96 px": f"{median_ms:.0f} ms",
        "time for 1920x1080 px": f"about {full_hd_s:.0f} s",
        "working memory per input px": f"{upscaler.card.bytes_per_px:.0f} bytes",
    }
