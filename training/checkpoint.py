"""Weights and run states as safetensors with one JSON object in the header: no pickle, one file, written atomically."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from sr_infer.atomic_file import atomic_write
from sr_infer.errors import ModelError, ModelNotFoundError
from training.networks import Network, NetworkConfig, build_network, read_config

HEADER_KEY = "sr_infer"


def find_weights(name: str) -> Path:
    """The file that a command's argument names; a bare name is looked up in `runs`, then in `weights`."""
    path = Path(name)
    if path.suffix or path.name != name:
        return path
    run, kept = Path("runs") / name / f"{name}.safetensors", Path("weights") / f"{name}.safetensors"
    return kept if kept.is_file() and not run.is_file() else run


def save_tensors(path: Path, tensors: Mapping[str, Tensor], header: Mapping[str, Any]) -> None:
    """Write `tensors` and the JSON `header` beside `path`, then rename.

    Raises:
        OutputError: the file cannot be written; one that was there before is untouched.
    """
    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with atomic_write(path, make_folder=True) as temporary:
        temporary.write_bytes(save(contiguous, metadata={HEADER_KEY: json.dumps(header)}))


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and the header of a file that `save_tensors` wrote, on the CPU.

    Raises:
        ModelNotFoundError: there is no such file.
        ModelError: it is not one of ours.
    """
    if not path.is_file():
        raise ModelNotFoundError(f"no checkpoint at {path}")
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {})[HEADER_KEY])
            return {name: file.get_tensor(name) for name in file.keys()}, header  # noqa: SIM118
    except (SafetensorError, KeyError, ValueError, OSError) as error:
        raise ModelError(f"{path} is not a checkpoint that training wrote ({error})") from error


def is_ours(path: Path) -> bool:
    """Whether `save_tensors` wrote this file."""
    try:
        with safe_open(path, framework="pt") as file:
            return HEADER_KEY in (file.metadata() or {})
    except (SafetensorError, OSError):
        return False


def save_network(path: Path, network: nn.Module, recipe: Mapping[str, Any], history: Mapping[str, Any]) -> None:
    """Write a network's weights in float16, with the tables that rebuild it.

    Args:
        path: the .safetensors file.
        network: weights to keep.
        recipe: the recipe's tables; `recipe["network"]` rebuilds the network.
        history: what was done to make it (steps, data, starting point), for the model card.
    """
    halves = {name: tensor.half() for name, tensor in network.state_dict().items()}
    save_tensors(path, halves, {"recipe": recipe, "history": history})


def load_network(path: Path) -> tuple[str, NetworkConfig, Network, dict[str, Any]]:
    """Architecture, configuration, network in float32 and header of a file that `save_network` wrote.

    Raises:
        ModelNotFoundError: there is no such file.
        ModelError: it is not one of ours, or its tensors do not fit its own configuration.
    """
    tensors, header = load_tensors(path)
    architecture, config = read_config(header.get("recipe", {}).get("network", {}), where=str(path))
    network = build_network(architecture, config)
    try:
        network.load_state_dict({name: tensor.float() for name, tensor in tensors.items()})
    except RuntimeError as error:
        raise ModelError(f"{path}: {' '.join(str(error).split())}") from error
    return architecture, config, network.eval(), header


def load_matching(network: nn.Module, path: Path, *, scale: int | None = None) -> list[str]:
    """Start `network` from the tensors of `path` that have its names and shapes; returns the names left out.

    Where a layer is wider than the stored one, and the stored network's scale is `scale`, the stored channels become
    its first and read nothing of the new ones. The network then computes what the stored one did, unless it
    concatenates features of which there are more now (Chen, Goodfellow, Shlens, "Net2Net", ICLR 2016).

    Raises:
        ModelNotFoundError: there is no such file.
        ModelError: it is not one of ours, or nothing in it fits.
    """
    tensors, header = load_tensors(path)
    own = network.state_dict()
    if scale is not None and header.get("recipe", {}).get("network", {}).get("scale") == scale:
        tensors = {k: _widened(v, own[k]) if k in own else v for k, v in tensors.items()}
    fitting = {k: v.to(own[k].dtype) for k, v in tensors.items() if k in own and own[k].shape == v.shape}
    if not any(name.endswith("weight") and own[name].ndim == 4 for name in fitting):
        raise ModelError(
            f"{path}: no convolution has the names and shapes of this network; is it another architecture?"
        )
    network.load_state_dict({**own, **fitting})
    return [name for name in own if name not in fitting and torch.is_floating_point(own[name])]


def _widened(stored: Tensor, own: Tensor) -> Tensor:
    """`own` with `stored` as its first channels, or `stored` if it is no narrower form of `own`."""
    comparable = stored.ndim == own.ndim and stored.shape[2:] == own.shape[2:]
    if stored.shape == own.shape or not comparable or any(s > o for s, o in zip(stored.shape, own.shape, strict=True)):
        return stored
    wide = own.clone()
    wide[: stored.shape[0]] = 0
    wide[tuple(slice(count) for count in stored.shape[:2])] = stored.to(own.dtype)
    return wide


def dual_path(weights: Path) -> Path:
    """The file of the dual networks beside these weights."""
    return weights.with_name(f"{weights.stem}-dual.safetensors")


def provenance(weights: Path, *, with_earlier: bool = True) -> str:
    """Name and number of steps of some weights; `with_earlier` adds the weights that they started from."""
    _, header = load_tensors(weights)
    history = header.get("history", {})
    earlier = history.get("started_from") if with_earlier else ""
    return f"{weights.stem} after {history.get('steps', 0):,} steps" + (f", itself from {earlier}" if earlier else "")
