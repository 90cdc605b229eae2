"""Modules and their optimiser as one flat set of tensors for a checkpoint, and back."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn


def collect_state(modules: Mapping[str, nn.Module], optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The tensors of each module below its name, those of the optimiser below `adam` and the parameter's index."""
    states = [(name, module.state_dict()) for name, module in modules.items()]
    states += [(f"adam.{index}", state) for index, state in optimizer.state_dict()["state"].items()]
    return {f"{prefix}.{name}": tensor for prefix, state in states for name, tensor in state.items()}


def restore_state(
    tensors: Mapping[str, Tensor], modules: Mapping[str, nn.Module], optimizer: torch.optim.Optimizer
) -> None:
    """
    Raises:
        RuntimeError: names or shapes are not those of the modules.
    """
    for name, module in modules.items():
        module.load_state_dict(below(f"{name}.", tensors))
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in below("adam.", tensors).items():
        index, key = name.split(".")
        if tensor.ndim:  # fused Adam walks through memory, so its averages must lie there as their weights do
            tensor = torch.empty_like(parameters[int(index)]).copy_(tensor)
        state.setdefault(int(index), {})[key] = tensor
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})


def below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Those whose names begin so, by the rest of the name."""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
