"""What a plain network saves at inference: peak memory at 1920x1080 HR beside its teacher's (figure 1 of MemSR)."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from exporters.export import export
from sr_infer.measure import peak_memory
from training.checkpoint import save_network
from training.networks import EDSRConfig, NetworkConfig, PlainConfig, build_network

HR_HW = (1080, 1920)
NETWORKS: dict[str, tuple[str, NetworkConfig]] = {
    f"{name} x{scale}": (architecture, config)
    for scale in (4, 2)
    for name, architecture, config in (
        ("Plain-M", "plain", PlainConfig(scale=scale)),
        ("Teacher-M", "edsr", EDSRConfig(scale=scale, tail="shuffle")),
    )
}
"""With random weights, which memory does not depend on."""


def measure_memory(name: str, out: Path) -> dict[str, Any]:
    """Export one of `NETWORKS` and upscale noise in one piece with it, in a process of its own.

    Returns:
        `file_bytes` of the ONNX file, `added_bytes` and `call_ms` of that one call, the first.
    """
    architecture, config = NETWORKS[name]
    torch.manual_seed(0)
    checkpoint, onnx = out / "network.safetensors", out / "network.onnx"
    recipe = {"name": name, "network": {"architecture": architecture, **asdict(config)}}
    save_network(checkpoint, build_network(architecture, config), recipe, {})
    export(checkpoint, onnx)
    height, width = (side // config.scale for side in HR_HW)
    peak = peak_memory("sr_infer.measure:upscale_case", str(onnx), height, width, "16GB", width)
    return {"file_bytes": onnx.stat().st_size, "added_bytes": peak.added_bytes, "call_ms": round(peak.call_ms)}


def memory_table(results: Iterable[Mapping[str, Any]]) -> str:
    """Markdown: a line for each network."""
    lines = ["| network | LR picture | memory of the call | time of the call |", "|---|---|---|---|"]
    for result in results:
        name = result["row"]["tried"]
        scale = NETWORKS[name][1].scale
        size = f"{HR_HW[1] // scale}x{HR_HW[0] // scale}"
        lines.append(f"| {name} | {size} | {result['added_bytes'] / 1e6:,.0f} MB | {result['call_ms'] / 1e3:.1f} s |")
    return "\n".join(lines)
