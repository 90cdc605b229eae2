"""The growing penalty that drives chosen filters to zero before they are removed (SRP, eq. 4 and 5)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import ceil
from typing import Literal

import torch
from torch import Tensor, nn

from sr_infer.errors import OptionError, RunError
from training.networks.blocks import convolution_of


@dataclass(frozen=True, kw_only=True)
class GrowthOptions:
    """The table `[growth]`; the paper's values by default.

    Raises:
        OptionError: a value is out of range.
    """

    increment: float = 1e-4
    """Delta, the increment of alpha."""
    every: int = 20
    """T, the steps between two increments."""
    ceiling: float = 0.5
    """Tau, the largest alpha; 0 removes the filters at once, without regularisation."""
    through: Literal["adam", "decoupled"] = "adam"
    """"adam" adds alpha W to the gradient, as the authors' code does. "decoupled" subtracts learning rate x alpha W, at
    most W, after Adam's step (Loshchilov and Hutter, ICLR 2019)."""

    def __post_init__(self) -> None:
        if self.increment <= 0 or self.ceiling < 0 or self.every < 1:
            raise OptionError(f"increment and every must be positive and ceiling not negative, got {self}")
        if self.through not in ("adam", "decoupled"):
            raise OptionError(f'through is "adam" or "decoupled", not {self.through!r}')

    @property
    def steps(self) -> int:
        """Steps until alpha reaches the ceiling."""
        return self.every * ceil(round(self.ceiling / self.increment, 6))

    def alpha(self, step: int) -> float:
        """Alpha at a step; it starts at 0."""
        return min(self.ceiling, step // self.every * self.increment)


class GrowingPenalty:
    """`0.5 alpha ||W||^2` on chosen filters and their biases, and on no others.

    The trainer calls it around every update and keeps its state in the checkpoint. It records the mean |W| of chosen
    and other filters of the watched layers as it goes: `record` has rows of step, then chosen and other mean of each.
    """

    def __init__(
        self,
        network: nn.Module,
        chosen: Mapping[str, Tensor],
        growth: GrowthOptions,
        *,
        watched: Iterable[str],
        record_every: int,
    ) -> None:
        """
        Args:
            network: the network to regularise.
            chosen: filter indices by the module name of their convolution, int64.
            growth: how strong, when.
            watched: layers among `chosen` that the record follows.
            record_every: steps between two rows of the record.
        """
        self.growth = growth
        self.chosen = dict(chosen)
        self.watched = tuple(watched)
        self.record: list[tuple[float, ...]] = []
        self._record_every = record_every
        self._layers = {layer: convolution_of(network, layer) for layer in self.chosen}
        self._driven = [
            (parameter, self.chosen[layer].to(parameter.device))
            for layer, convolution in self._layers.items()
            for parameter in convolution.parameters()
        ]

    def before_update(self, step: int) -> None:
        if step % self._record_every == 0:
            self.record.append((step, *(mean for layer in self.watched for mean in self._means(layer))))
        if self.growth.through == "adam":
            for parameter, filters in self._driven:
                assert parameter.grad is not None
                parameter.grad.index_add_(0, filters, parameter.detach()[filters], alpha=self.growth.alpha(step))

    @torch.no_grad()
    def after_update(self, step: int, learning_rate: float) -> None:
        if self.growth.through == "decoupled":
            share = min(1.0, learning_rate * self.growth.alpha(step))
            for parameter, filters in self._driven:
                parameter.index_add_(0, filters, parameter[filters], alpha=-share)

    def state(self) -> dict[str, Tensor]:
        chosen = {f"chosen.{layer}": filters for layer, filters in self.chosen.items()}
        return {**chosen, "record": torch.tensor(self.record, dtype=torch.float64)}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """
        Raises:
            RunError: the state belongs to another choice of filters.
        """
        record = state.get("record", torch.empty(0))
        own = self.state()
        if state.keys() != own.keys() or any(not torch.equal(state[k], own[k]) for k in own if k != "record"):
            raise RunError("the checkpoint drives other filters; resume with the weights and settings it began with")
        self.record = [tuple(row) for row in record.tolist()]

    def _means(self, layer: str) -> tuple[float, float]:
        means = self._layers[layer].weight.detach().abs().mean(dim=(1, 2, 3))
        chosen = torch.zeros_like(means, dtype=torch.bool)
        chosen[self.chosen[layer]] = True
        return means[chosen].mean().item(), means[~chosen].mean().item()
