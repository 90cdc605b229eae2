"""Peak memory of plain and residual networks at 1920x1080 HR (figure 1 of MemSR)."""

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
"""Architecture and configuration by name. Weights are random, because memory does not depend on them."""


def measure_memory(name: str, out: Path) -> dict[str, Any]:
    """Trace one of `NETWORKS`, and upscale noise with it in one piece in a new process.

    Returns:
        `added_bytes`, the memory that the first call adds to a process with the loaded model.
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
    """Format results as Markdown, one line per network."""
    lines = ["| network | LR picture | memory of the call |", "|---|---|---|"]
    for result in results:
        name = result["row"]["tried"]
        scale = NETWORKS[name][1].scale
        size = f"{HR_HW[1] // scale}x{HR_HW[0] // scale}"
        lines.append(f"| {name} | {size} | {result['added_bytes'] / 1e6:,.0f} MB |")
    return "\n".join(lines)
