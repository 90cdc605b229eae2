"""The networks that engines are compared on, and the files that each engine reads them from.

A subject is a float model of ours by its name, with the weights in `weights/`, or "<alternative> x<scale>" of
`benchmarks.alternatives` with random ones. Files are made once and kept in the build folder.
"""

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from benchmarks.alternatives import ALTERNATIVES, alternative
from exporters.trace import UnitRange, trace
from sr_infer.errors import ModelNotFoundError
from training.checkpoint import load_network

WEIGHTS = Path(__file__).parent.parent / "weights"
BUILD = Path("build") / "benchmarks"


def network_of(subject: str) -> tuple[UnitRange, int]:
    """A network that takes and gives [0, 1], and how many channels it takes.

    Raises:
        ModelNotFoundError: there are no weights of that name.
    """
    name, _, scale = subject.rpartition(" x")
    if name in ALTERNATIVES:
        network = alternative(name, int(scale))
        return UnitRange(network, scale=int(scale), value_range=1.0).eval(), network.channels
    _, config, network, _ = load_network(WEIGHTS / f"{subject}.safetensors")
    return UnitRange(network, scale=config.scale, value_range=config.value_range).eval(), 3


def weights_of(subject: str) -> Path | None:
    """The file of weights; None for random ones.

    Raises:
        ModelNotFoundError: there is no such file.
    """
    if subject.rpartition(" x")[0] in ALTERNATIVES:
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
        network, _ = network_of(subject)
        with torch.inference_mode():
            np.save(path, network(torch.from_numpy(noise(subject, side_px))).numpy())

    return _made_once(subject, f"reference-{side_px}.npy", write)


def unoptimised_onnx(subject: str) -> Path:
    """The graph as torch's exporter gives it, without any of our passes."""
    return _made_once(subject, "unoptimised.onnx", lambda path: path.write_bytes(_traced(subject)))


def ncnn_files(subject: str, side_px: int) -> tuple[Path, Path]:
    """ncnn's .param and .bin, converted by pnnx with f32 weights.

    Raises:
        ImportError: pnnx is not installed.
    """
    import pnnx

    def write(path: Path) -> None:
        path.mkdir()
        network, _ = network_of(subject)
        example = torch.from_numpy(noise(subject, side_px))
        pnnx.export(_Plain(network), str(path.resolve() / "network.pt"), example, fp16=False)

    folder = _made_once(subject, f"ncnn-{side_px}", write)
    return folder / "network.ncnn.param", folder / "network.ncnn.bin"


class _Plain(nn.Module):
    """Without the attributes that TorchScript cannot hold."""

    def __init__(self, unit: UnitRange) -> None:
        super().__init__()
        self.network, self.value_range = unit.network, unit.value_range

    def forward(self, lr: torch.Tensor) -> torch.Tensor:
        return self.network(lr * self.value_range) * (1 / self.value_range)


def _traced(subject: str) -> bytes:
    network, channels = network_of(subject)
    return trace(network, channels=channels).SerializeToString()


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
