"""Channel number search (DRN, algorithm 1 and eq. 3 and 4): how many channels each inner layer needs.

A layer that gets c(v) channels with probability p_v gives `sum_v p_v conv(X[first c(v)])`. Convolutions are linear, so
that is one convolution whose inputs are scaled: channel k by the probability that it is among those kept. Weights and
probabilities are learnt alternately, on two halves of the pictures.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from sr_infer.errors import OptionError, RunError
from training.compress.cost import Cost
from training.compress.drc.widths import WidthsOptions
from training.compress.inner_layers import InnerLayer, InnerLayers
from training.data.degraded_bank import DegradedBank
from training.data.patch_bank import PatchBank
from training.loop.checkpointing import select_below
from training.loop.trainer import Trainer
from training.networks import Network


@dataclass(frozen=True, kw_only=True)
class AlphaOptions:
    """The table `[alpha]`: how the probabilities, softmax(alpha), are learnt, by Adam.

    Raises:
        OptionError: a value is out of range.
    """

    learning_rate: float = 3e-4
    weight_decay: float = 1e-3
    start_spread: float = 0.0
    """Standard deviation of alpha at first: 0 in the paper, 1e-3 in the authors' code."""
    order: Literal["l1", "first"] = "l1"
    """Which channels count as the first. "l1": those with the largest weights in the reading layer, as in the authors'
    code. "first": those stored first (eq. 3); in a trained network their order is random."""
    unrolled: bool = False
    """Learn alpha for weights one step ahead (DARTS), exactly, for three times the memory. In the authors' code a
    mistake makes the second-order term nearly 0, so the default is the first order that the paper describes."""
    cost_weight: float = 0.0
    """Weight of the expected share of the dense cost in alpha's loss; the paper has no such term."""
    seed: int = 1

    def __post_init__(self) -> None:
        if self.order not in ("l1", "first"):
            raise OptionError(f'order is "l1" or "first", not {self.order!r}')
        if self.learning_rate <= 0 or min(self.weight_decay, self.start_spread, self.cost_weight) < 0:
            raise OptionError(f"learning_rate must be positive and the others not negative, got {self}")


class ChannelSearch:
    """A hook of the trainer that scales the channels of `trainer.network` and of its average, and learns alpha.

    `record` has rows of step, alpha's loss, expected share of the dense cost, share within the budget, mean entropy.
    """

    def __init__(
        self,
        trainer: Trainer,
        inner: InnerLayers,
        validation: PatchBank | DegradedBank,
        *,
        widths: WidthsOptions,
        alpha: AlphaOptions,
        cost: Cost,
        record_every: int,
    ) -> None:
        """
        Args:
            trainer: learns the weights on its own pictures.
            inner: layers of its network.
            validation: other pictures, from which alpha is learnt.
            widths: candidates and budget.
            alpha: how alpha is learnt.
            cost: psi.
            record_every: steps between two rows of the record.
        """
        self.trainer, self.validation, self.widths, self.settings, self.cost = trainer, validation, widths, alpha, cost
        self.candidates = [widths.candidates(layer.width) for layer in inner.layers]
        generator = torch.Generator().manual_seed(alpha.seed)
        self.alphas = [
            (alpha.start_spread * torch.randn(len(row), generator=generator)).to(trainer.device).requires_grad_()
            for row in self.candidates
        ]
        self.optimizer = torch.optim.Adam(self.alphas, lr=alpha.learning_rate, weight_decay=alpha.weight_decay)
        self.record: list[tuple[float, ...]] = []
        self._record_every = record_every
        self._stepped = _Stepped(trainer.network, trainer.loss)
        for network in (trainer.network, trainer.ema):
            for index, layer in enumerate(inner.layers):
                self._scale_inputs(network, layer, index)

    def before_update(self, step: int) -> None:
        """Does nothing: the weights learn from the training loss alone."""

    def after_update(self, step: int, learning_rate: float) -> None:
        generator = torch.Generator().manual_seed(-1 - self.settings.seed * 1_000_003 - step)
        with self.trainer.autocast():
            loss = self._validation_loss(generator, learning_rate)
        share = self.cost.expected(self.candidates, self.probabilities()) / self.cost.dense
        self.optimizer.zero_grad()
        (loss + self.settings.cost_weight * share.to(loss)).backward(inputs=self.alphas)
        self.optimizer.step()
        if step % self._record_every == 0:
            entropy = torch.stack([-(p * p.log()).sum() for p in self.probabilities()]).mean()
            within = self.cost.of(self.chosen()) / self.cost.dense
            self.record.append((step, loss.item(), share.item(), within, entropy.item()))

    def probabilities(self) -> list[Tensor]:
        """Probabilities of the candidates, for each layer."""
        return [alpha.softmax(dim=0) for alpha in self.alphas]

    def chosen(self) -> tuple[int, ...]:
        """The most probable widths, within the budget."""
        return self.widths.projected(preferences(self.candidates, self.alphas), self.cost)

    def state(self) -> dict[str, Tensor]:
        tensors = {"record": torch.tensor(self.record, dtype=torch.float64)}
        for index, alpha in enumerate(self.alphas):
            tensors[f"alpha.{index}"] = alpha
            for name, value in self.optimizer.state.get(alpha, {}).items():
                tensors[f"adam.{index}.{name}"] = value
        return tensors

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """
        Raises:
            RunError: the state belongs to another network or other candidates.
        """
        saved = [state.get(f"alpha.{index}", torch.empty(0)) for index in range(len(self.alphas))]
        if any(one.shape != own.shape for one, own in zip(saved, self.alphas, strict=True)):
            raise RunError("the checkpoint searched other layers or widths; resume with the settings it began with")
        for index, (alpha, value) in enumerate(zip(self.alphas, saved, strict=True)):
            alpha.data.copy_(value)
            self.optimizer.state[alpha] = {
                name: value if name == "step" else value.to(alpha.device)
                for name, value in select_below(f"adam.{index}.", state).items()
            }
        self.record = [tuple(row) for row in state["record"].tolist()]

    def _validation_loss(self, generator: torch.Generator, learning_rate: float) -> Tensor:
        patches = self.validation.draw(self.trainer.settings.batch, generator)
        pyramid = [self.trainer.to_range(patch) for patch in patches]
        if not self.settings.unrolled:
            return self.trainer.loss(self.trainer.network, pyramid)
        weights = {name: weight for name, weight in self._stepped.named_parameters() if weight.requires_grad}
        gradients = torch.autograd.grad(self.trainer.batch_loss(generator), list(weights.values()), create_graph=True)
        ahead = {
            name: weight - learning_rate * gradient
            for (name, weight), gradient in zip(weights.items(), gradients, strict=True)
        }
        return torch.func.functional_call(self._stepped, ahead, (pyramid,))

    def _scale_inputs(self, network: Network, layer: InnerLayer, index: int) -> None:
        counts = torch.tensor(self.candidates[index], device=self.trainer.device)
        places = torch.arange(layer.width, device=self.trainer.device)
        is_kept = (places[:, None] < counts).double()

        def scale(reader: nn.Conv2d, inputs: tuple[Tensor]) -> tuple[Tensor]:
            # float64: where all widths are equally good, alpha's gradient is a difference of equal numbers, and Adam
            # makes a step even of their rounding errors.
            kept = (is_kept * self.alphas[index].double().softmax(dim=0)).sum(dim=1)
            if self.settings.order == "l1":
                largest_first = reader.weight.detach().abs().sum(dim=(0, 2, 3)).argsort(descending=True, stable=True)
                kept = kept[largest_first.argsort()]
            return (inputs[0] * kept[:, None, None].to(inputs[0].dtype),)

        network.get_submodule(layer.reader).register_forward_pre_hook(scale)


def preferences(candidates: Sequence[Sequence[int]], alphas: Sequence[Tensor]) -> list[dict[int, float]]:
    """Log probability of each candidate, for every layer."""
    rows = zip(candidates, alphas, strict=True)
    return [dict(zip(row, alpha.detach().log_softmax(dim=0).tolist(), strict=True)) for row, alpha in rows]


class _Stepped(nn.Module):
    """Network and loss as one module, so that `functional_call` can replace all weights."""

    def __init__(self, network: nn.Module, loss: nn.Module) -> None:
        super().__init__()
        self.network, self.loss = network, loss

    def forward(self, pyramid: Sequence[Tensor]) -> Tensor:
        return self.loss(self.network, pyramid)
