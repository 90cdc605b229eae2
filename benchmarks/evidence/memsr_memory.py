"""What a plain network saves at inference: peak memory at 1920x1080 HR beside residual ones' (figure 1 of MemSR)."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch

from exporters.trace import UnitRange, trace
from sr_infer.measure import peak_memory, upscale_case
from training.networks import EDSRConfig, NetworkConfig, PlainConfig, build_network

HR_HW = (1080, 1920)
NETWORKS: dict[str, tuple[str, NetworkConfig]] = {
    f"{name} x{scale}": (architecture, config)
    for scale in (4, 2)
    for name, architecture, config in (
        ("Plain-M", "plain", PlainConfig(scale=scale)),
        ("Teacher-M", "edsr", EDSRConfig(scale=scale, tail="shuffle")),
        ("EDSR baseline", "edsr", EDSRConfig(scale=scale)),
    )
}
"""Networks with random weights; memory does not depend on the weights."""


def measure_memory(name: str, out: Path) -> dict[str, Any]:
    """Upscale noise in one piece with one of `NETWORKS` as traced, in a process of its own.

    Returns:
        `added_bytes`, what the first call adds to a process with the model loaded.
    """
    architecture, config = NETWORKS[name]
    torch.manual_seed(0)
    network = build_network(architecture, config)
    unit = UnitRange.of(network)
    path = out / "network.onnx"
    path.write_bytes(trace(unit).SerializeToString())
    height, width = (side // config.scale for side in HR_HW)
    peak = peak_memory(upscale_case, str(path), height, width, "16GB", width)
    return {"added_bytes": peak.added_by_call_bytes}


def format_memory_table(results: Iterable[Mapping[str, Any]]) -> str:
    """Markdown: a line for each network."""
    lines = ["| network | LR picture | memory of the call |", "|---|---|---|"]
    for result in results:
        name = result["row"]["tried"]
        scale = NETWORKS[name][1].scale
        size = f"{HR_HW[1] // scale}x{HR_HW[0] // scale}"
        lines.append(f"| {name} | {size} | {result['added_bytes'] / 1e6:,.0f} MB |")
    return "\n".join(lines)
