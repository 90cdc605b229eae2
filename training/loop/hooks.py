"""Hooks that a compression runs around every update of the weights."""

from collections.abc import Mapping
from typing import Protocol

from torch import Tensor


class StepHook(Protocol):
    """Called before and after every update. `step` counts from 0."""

    def before_update(self, step: int) -> None:
        """Change the gradients."""

    def after_update(self, step: int, learning_rate: float) -> None:
        """Change the weights, or train other parameters."""

    def state(self) -> dict[str, Tensor]:
        """The tensors that a checkpoint must keep."""

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Continue from what `state` returned."""
