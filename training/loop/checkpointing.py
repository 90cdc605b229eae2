"""`checkpoint.safetensors` of a run: weights, moving average, optimiser, hooks and progress."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sr_infer.errors import RunError
from training.checkpoint import load_tensors, save_tensors
from training.loop.run_manifest import require_same_run
from training.loop.weight_updater import WeightUpdater


def save_checkpoint(path: Path, updater: WeightUpdater, header: Mapping[str, Any]) -> None:
    """Write the whole state of a run.

    Raises:
        OutputError: the file cannot be written.
    """
    tensors = collect_state(updater.modules, updater.optimizer)
    for prefix, hook in updater.hooks.items():
        tensors |= {f"{prefix}.{name}": tensor for name, tensor in hook.state().items()}
    save_tensors(path, tensors, header)


def load_checkpoint(path: Path, updater: WeightUpdater, *, recipe: Mapping[str, Any], teacher: str) -> dict[str, Any]:
    """Restore the state of a run; returns its header.

    Args:
        path: what `save_checkpoint` wrote.
        updater: gets the state.
        recipe: the tables of this run's recipe; only `steps` and `validate_every` may differ.
        teacher: the provenance of this run's teacher, or nothing.

    Raises:
        ModelNotFoundError: there is no such file.
        RunError: it belongs to another recipe, teacher, network or hook.
    """
    tensors, header = load_tensors(path)
    then = {"recipe": header["recipe"], "teacher": header.get("taught_by", "")}
    require_same_run(path, then, {"recipe": recipe, "teacher": teacher})
    try:
        restore_state(tensors, updater.modules, updater.optimizer)
    except RuntimeError as error:
        raise RunError(f"{path} belongs to another network: {' '.join(str(error).split())}") from error
    for prefix, hook in updater.hooks.items():
        hook.load_state(select_below(f"{prefix}.", tensors))
    return header


def collect_state(modules: Mapping[str, nn.Module], optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The tensors of each module below its name, those of the optimiser below `adam` and a parameter's index."""
    states = [(name, module.state_dict()) for name, module in modules.items()]
    states += [(f"adam.{index}", state) for index, state in optimizer.state_dict()["state"].items()]
    return {f"{prefix}.{name}": tensor for prefix, state in states for name, tensor in state.items()}


def restore_state(
    tensors: Mapping[str, Tensor], modules: Mapping[str, nn.Module], optimizer: torch.optim.Optimizer
) -> None:
    """Load what `collect_state` returned.

    Raises:
        RuntimeError: names or shapes differ from those of the modules.
    """
    for name, module in modules.items():
        module.load_state_dict(select_below(f"{name}.", tensors))
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in select_below("adam.", tensors).items():
        index, key = name.split(".")
        if tensor.ndim:  # fused Adam walks through memory, so its averages need the strides of their weights
            tensor = torch.empty_like(parameters[int(index)]).copy_(tensor)
        state.setdefault(int(index), {})[key] = tensor
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})


def select_below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors whose names start with `prefix`, by the rest of their names."""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
