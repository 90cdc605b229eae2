"""The networks that engines are compared on, and the files that each engine reads them from.

A subject is a float model of ours by its name, with the weights in `weights/`, or "<alternative> x<scale>" of
`benchmarks.alternatives` with random ones. Files are made once and kept in the build folder; torch is imported only to
make them, so that an engine's process holds nothing but the engine.
"""

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sr_infer.errors import ModelNotFoundError

WEIGHTS = Path(__file__).parent.parent / "weights"
BUILD = Path(__file__).parents[1] / "build" / "benchmarks"


def weights_of(subject: str) -> Path | None:
    """The file of weights; None for an alternative, whose weights are random.

    Raises:
        ModelNotFoundError: there is no such file.
    """
    if " x" in subject:
        return None
    path = WEIGHTS / f"{subject}.safetensors"
    if not path.is_file():
        raise ModelNotFoundError(f"no weights at {path}; peers need them")
    return path


def noise(subject: str, side_px: int) -> NDArray[np.float32]:
    """(1, C, side, side) in [0, 1], the same each time."""
    channels = 1 if subject.startswith("FSRCNN") else 3
    return np.random.default_rng(0).random((1, channels, side_px, side_px), np.float32)


def reference_file(subject: str, side_px: int) -> Path:
    """What torch makes of `noise`, as .npy."""

    def write(path: Path) -> None:
        from benchmarks.torch_networks import torch_result

        np.save(path, torch_result(subject, side_px))

    return _made_once(subject, f"reference-{side_px}.npy", write)


def unoptimised_onnx(subject: str) -> Path:
    """The graph as torch's exporter gives it, without any of our passes."""

    def write(path: Path) -> None:
        from benchmarks.torch_networks import traced

        path.write_bytes(traced(subject))

    return _made_once(subject, "unoptimised.onnx", write)


def ncnn_files(subject: str, side_px: int) -> tuple[Path, Path]:
    """ncnn's .param and .bin, converted by pnnx with f32 weights.

    Raises:
        ImportError: pnnx is not installed.
    """

    def write(path: Path) -> None:
        from benchmarks.torch_networks import convert_to_ncnn

        path.mkdir()
        convert_to_ncnn(subject, side_px, path)

    folder = _made_once(subject, f"ncnn-{side_px}", write)
    return folder / "network.ncnn.param", folder / "network.ncnn.bin"


def _made_once(subject: str, name: str, write: Callable[[Path], object]) -> Path:
    weights = weights_of(subject)
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()[:8] if weights else "random"
    path = BUILD / "files" / f"{subject.replace(' ', '-')}-{digest}" / name
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.stem}.tmp{path.suffix}")
        if temporary.is_dir():
            shutil.rmtree(temporary)
        write(temporary)
        temporary.replace(path)
    return path
