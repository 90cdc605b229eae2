"""Convert the compared networks to files for other engines; each file is written once, into the build folder.

torch is imported only when a file is written, so that a process that measures an engine holds only that engine.
"""

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.compared_networks import find_weights
from benchmarks.timing.results import BUILD


def reference_file(network: str, side_px: int) -> Path:
    """The path of an .npy file with torch's result for `make_noise`, (1, C, scale side, scale side)."""

    def write(path: Path) -> None:
        from benchmarks.torch_networks import run_torch

        np.save(path, run_torch(network, side_px))

    return _write_once(network, f"reference-{side_px}.npy", write)


def unoptimised_onnx(network: str) -> Path:
    """The path of the graph from torch's exporter, without our passes."""

    def write(path: Path) -> None:
        from benchmarks.torch_networks import export_unoptimised

        path.write_bytes(export_unoptimised(network))

    return _write_once(network, "unoptimised.onnx", write)


def ncnn_files(network: str, side_px: int) -> tuple[Path, Path]:
    """The paths of ncnn's .param and .bin files, converted by pnnx with float32 weights.

    Raises:
        ImportError: pnnx is not installed.
    """

    def write(path: Path) -> None:
        from benchmarks.torch_networks import convert_to_ncnn

        path.mkdir()
        convert_to_ncnn(network, side_px, path)

    folder = _write_once(network, f"ncnn-{side_px}", write)
    return folder / "network.ncnn.param", folder / "network.ncnn.bin"


def _write_once(network: str, name: str, write: Callable[[Path], object]) -> Path:
    weights = find_weights(network)
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()[:8] if weights else "random"
    path = BUILD / "files" / f"{network.replace(' ', '-')}-{digest}" / name
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.stem}.tmp{path.suffix}")
        if temporary.is_dir():
            shutil.rmtree(temporary)
        write(temporary)
        temporary.replace(path)
    return path
