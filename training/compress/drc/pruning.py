"""Channel pruning with dual regression (DRN, eq. 5), and the methods of the paper's table 3.

Layer by layer, the convolution that reads an inner layer starts without inputs. The inputs whose weights have the
largest gradient of `L_M + gamma L_DR` return step by step with their trained weights. After each step the returned
inputs are trained for some batches. L_M is the squared error of the convolution's output against the dense network's.
"""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from math import ceil
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss
from tqdm import tqdm

from sr_infer.errors import OptionError, RunError
from training.checkpoint import load_tensors, save_tensors
from training.compress.drc.baselines import lasso, sample_layer, thinet
from training.compress.inner_layers import InnerLayer, InnerLayers
from training.loop.run_manifest import require_same_run
from training.losses import ReconstructionLoss
from training.networks import Network
from training.networks.blocks import convolution_of

LOG = logging.getLogger(__name__)
AGREEMENT = 1e-4
"""Largest difference between the masked and the narrow network, as a share of the value range."""


@dataclass(frozen=True, kw_only=True)
class Pruning:
    """The table `[pruning]`; the paper's values by default.

    Raises:
        OptionError: a value is out of range.
    """

    method: Literal["gradient", "thinet", "lasso", "l1"] = "gradient"
    """Eq. 5; ThiNet (Luo et al. 2017); CP (He et al. 2017); or the filters of largest L1 norm (Li et al. 2017)."""
    gamma: float = 1.0
    """Weight of the dual regression loss; with 0 the features alone are compared."""
    channels_per_step: int = 1
    """Channels that return in one step."""
    batches: int = 10
    """Batches over which a gradient is summed, and on which the chosen channels are then trained."""
    batch: int = 16
    lr_patch_px: int = 48
    learning_rate: float = 5e-5
    momentum: float = 0.9
    precision: Literal["bf16", "float32"] = "bf16"
    seed: int = 1

    def __post_init__(self) -> None:
        if self.method not in ("gradient", "thinet", "lasso", "l1"):
            raise OptionError(f'method is "gradient", "thinet", "lasso" or "l1", not {self.method!r}')
        if self.precision not in ("bf16", "float32"):
            raise OptionError(f'precision is "bf16" or "float32", not {self.precision!r}')
        for name in ("channels_per_step", "batches", "batch", "lr_patch_px"):
            if getattr(self, name) < 1:
                raise OptionError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.gamma < 0 or self.learning_rate < 0 or not 0 <= self.momentum < 1:
            raise OptionError(f"gamma and learning_rate must not be negative, momentum in [0, 1), got {self}")


class ChannelPruning:
    """One pass through all inner layers; `checkpoint` holds the state after each layer."""

    def __init__(
        self,
        dense: Network,
        pruned: Network,
        inner: InnerLayers,
        widths: tuple[int, ...],
        *,
        settings: Pruning,
        loss: ReconstructionLoss,
        batches: list[list[Tensor]],
        checkpoint: Path,
    ) -> None:
        """
        Args:
            dense: the network to compare with; it is not changed.
            pruned: a copy of it, whose weights are changed.
            inner: layers of both.
            widths: channels to leave in each.
            settings: how.
            loss: L_DR with its dual networks, which are not trained.
            batches: pictures at `loss.divisors` each.
            checkpoint: the file of the state.
        """
        self.dense, self.pruned, self.loss = dense, pruned, loss
        for module in (dense, pruned, loss):
            module.eval().requires_grad_(False)
        self.inner, self.widths, self.settings = inner, widths, settings
        self.batches, self.checkpoint = batches, checkpoint
        self.kept: list[list[int]] = []

    def run(self) -> Network:
        """Prune the layers that are left; returns the narrow network.

        Raises:
            RunError: the checkpoint belongs to another run, or masking and removing do not agree.
        """
        if self.checkpoint.is_file():
            self._resume()
        left = self.inner.layers[len(self.kept) :]
        self._announce(left)
        for layer in tqdm(left, initial=len(self.kept), total=len(self.widths), unit="layer", disable=None):
            width = self.widths[len(self.kept)]
            self.kept.append(sorted(self._prune(layer, width)))
            state = {"kept": self.kept, "widths": self.widths, "pruning": asdict(self.settings)}
            save_tensors(self.checkpoint, self.pruned.state_dict(), state)
        narrow = self.inner.narrowed(self.pruned, self.kept).to(self.batches[0][0].device).eval()
        self._check(narrow)
        return narrow

    def _prune(self, layer: InnerLayer, width: int) -> list[int]:
        if width == layer.width:
            return list(range(width))
        reader = convolution_of(self.pruned, layer.reader)
        if self.settings.method == "l1":
            norms = convolution_of(self.pruned, layer.writer).weight.abs().sum(dim=(1, 2, 3))
            kept = norms.view(layer.width, -1).sum(dim=1).topk(width).indices.tolist()
            _drop_inputs(reader, kept)
            return kept
        if self.settings.method == "gradient":
            return self._bring_back(layer, reader, width)
        with self._autocast():
            samples = sample_layer(self.dense, self.pruned, layer.reader, self.batches, self.settings.seed)
        kept, weight = (thinet if self.settings.method == "thinet" else lasso)(samples, width)
        reader.weight.copy_(weight.view_as(reader.weight))
        return kept

    def _bring_back(self, layer: InnerLayer, reader: nn.Conv2d, width: int) -> list[int]:
        trained = reader.weight.clone()
        reader.weight.zero_()
        reader.requires_grad_()
        is_back = torch.zeros(layer.width, dtype=torch.bool, device=trained.device)
        while (missing := width - int(is_back.sum())) > 0:
            reader.zero_grad()
            for pyramid in self.batches:
                self._loss(layer.reader, pyramid).backward()
            assert reader.weight.grad is not None
            norms = reader.weight.grad.square().sum(dim=(2, 3)).sqrt().sum(dim=0)
            chosen = norms.masked_fill(is_back, -1).topk(min(missing, self.settings.channels_per_step)).indices
            is_back[chosen] = True
            with torch.no_grad():
                reader.weight[:, chosen] = trained[:, chosen]
            self._learn(layer.reader, reader, is_back)
        reader.requires_grad_(False)
        return is_back.nonzero()[:, 0].tolist()

    def _learn(self, name: str, reader: nn.Conv2d, is_back: Tensor) -> None:
        momentum = self.settings.momentum
        optimizer = torch.optim.SGD(reader.parameters(), self.settings.learning_rate, momentum, nesterov=momentum > 0)
        for pyramid in self.batches:
            optimizer.zero_grad()
            self._loss(name, pyramid).backward()
            assert reader.weight.grad is not None
            reader.weight.grad[:, ~is_back] = 0
            optimizer.step()

    def _loss(self, reader: str, pyramid: list[Tensor]) -> Tensor:
        """`L_M + gamma L_DR` of one batch."""
        with self._autocast():
            with torch.no_grad(), _output_of(self.dense, reader) as wanted:
                self.dense(pyramid[0])
            with _output_of(self.pruned, reader) as given:
                if self.settings.gamma:
                    regression = self.settings.gamma * self.loss(self.pruned, pyramid)
                else:
                    regression = 0.0
                    self.pruned(pyramid[0])
            return regression + mse_loss(given[0].float(), wanted[0].float())

    def _announce(self, left: tuple[InnerLayer, ...]) -> None:
        if self.settings.method != "gradient" or not left:
            LOG.info("pruning %d layers by %s", len(left), self.settings.method)
            return
        weight = convolution_of(self.pruned, left[0].reader).weight.requires_grad_()
        start = time.monotonic()
        self._loss(left[0].reader, self.batches[0]).backward()
        seconds = time.monotonic() - start
        weight.grad = None
        weight.requires_grad_(False)
        widths = self.widths[len(self.kept) :]
        steps = sum(
            ceil(width / self.settings.channels_per_step)
            for layer, width in zip(left, widths, strict=True)
            if width < layer.width
        )
        minutes = 2 * steps * len(self.batches) * seconds / 60
        LOG.info("pruning %d layers in %d steps, at most about %.1f minutes", len(left), steps, minutes)

    @torch.no_grad()
    def _check(self, narrow: Network) -> None:
        lr = self.batches[0][0][:1]
        difference = max(
            (one - other).abs().max().item()
            for one, other in zip(narrow.pyramid(lr), self.pruned.pyramid(lr), strict=True)
        )
        if not difference <= AGREEMENT * narrow.config.value_range:
            raise RunError(
                f"the network differs by {difference} once its zeroed channels are removed; please report it"
            )

    def _resume(self) -> None:
        tensors, header = load_tensors(self.checkpoint)
        require_same_run(self.checkpoint, header, {"widths": self.widths, "pruning": asdict(self.settings)})
        self.pruned.load_state_dict(tensors)
        self.kept = header["kept"]

    @contextmanager
    def _autocast(self) -> Iterator[None]:
        device = self.batches[0][0].device.type
        with torch.autocast(device, dtype=torch.bfloat16, enabled=self.settings.precision == "bf16"):
            yield


@torch.no_grad()
def _drop_inputs(reader: nn.Conv2d, kept: list[int]) -> None:
    gone = torch.ones(reader.in_channels, dtype=torch.bool)
    gone[kept] = False
    reader.weight[:, gone] = 0


@contextmanager
def _output_of(network: Network, layer: str) -> Iterator[list[Tensor]]:
    """The output of this layer."""
    outputs: list[Tensor] = []
    hook = network.get_submodule(layer).register_forward_hook(lambda _, __, output: outputs.append(output))
    try:
        yield outputs
    finally:
        hook.remove()
