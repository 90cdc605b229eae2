"""The update of the weights by one batch: loss, gradients, hooks, Adam, moving average."""

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from training.loop.cuda_graph import CudaGraphGradients
from training.loop.distributed import Processes
from training.loop.hooks import StepHook
from training.networks import Network
from training.recipe import TrainingOptions


class WeightUpdater:
    """The network that is trained, its moving average, its loss and its optimiser."""

    def __init__(
        self, network: Network, loss: nn.Module, options: TrainingOptions, processes: Processes, device: torch.device
    ) -> None:
        """
        Args:
            network: the network to train, on `device`.
            loss: from the network and a batch to one number, on `device`; its own parameters are trained as well.
            options: precision, betas, clip_norm and ema_decay are used here.
            processes: share the batch; their gradients are averaged.
            device: where to compute.
        """
        self.network, self.loss, self.options, self.processes, self.device = network, loss, options, processes, device
        self.ema = copy.deepcopy(network).eval().requires_grad_(False)
        self.parameters = [p for p in (*network.parameters(), *loss.parameters()) if p.requires_grad]
        self.optimizer = torch.optim.Adam(self.parameters, lr=0.0, betas=options.betas, fused=True)
        self.hooks: dict[str, StepHook] = {}
        """Hooks by the prefix of their state in the checkpoint."""
        self._compiled_loss: Callable[..., Tensor] | None = None
        self._cuda_graph: CudaGraphGradients | None = None

    @property
    def modules(self) -> dict[str, nn.Module]:
        """The modules whose state a checkpoint keeps, by the prefix of their tensors."""
        return {"network": self.network, "ema": self.ema, "loss": self.loss}

    @property
    def learning_rate(self) -> float:
        """The rate of the last update."""
        return float(self.optimizer.param_groups[0]["lr"])

    @property
    def uses_cuda_graph(self) -> bool:
        """Whether gradients are replayed by `replay_gradients`."""
        return self._cuda_graph is not None

    def use_loss(self, loss: nn.Module) -> None:
        """Minimise another loss from now on; its own parameters are trained as well."""
        self.loss = loss.to(self.device)
        known = set(self.parameters)
        own = [p for p in loss.parameters() if p.requires_grad and p not in known]
        self.parameters += own
        self.optimizer.add_param_group({"params": own})

    def compile(self) -> None:
        """Let torch compile network and loss at the first step."""
        self._compiled_loss = torch.compile(self.loss)

    def record_cuda_graph(self) -> None:
        """On a GPU, replay the loss and the gradients of every step as one CUDA graph. On a CPU, change nothing."""
        if self.device.type == "cuda":
            torch.backends.cudnn.benchmark = True
            self._cuda_graph = CudaGraphGradients(self._compute_loss_for_graph, self.parameters)

    @contextmanager
    def autocast(self) -> Iterator[None]:
        """The recipe's precision, or float32 where the device only emulates bf16."""
        is_bf16 = self.options.precision == "bf16" and computes_in_bf16(self.device)
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=is_bf16):
            yield

    def compute_loss(self, pyramid: Sequence[Tensor]) -> Tensor:
        """The loss of one batch: one number with a gradient.

        Args:
            pyramid: the LR patches, then their targets, coarse to fine, (N, 3, h, w) in the network's range.
        """
        loss = self.loss if self._compiled_loss is None else self._compiled_loss
        return loss(self.network, pyramid)

    def compute_gradients(self, batch_loss: Callable[[], Tensor]) -> Tensor:
        """Set the gradients of a loss; returns the loss."""
        with self.autocast():
            loss = batch_loss()
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        return loss

    def replay_gradients(self, pyramid: Sequence[Tensor]) -> Tensor:
        """Set the gradients of a batch by the CUDA graph; returns the loss."""
        assert self._cuda_graph is not None
        return self._cuda_graph(pyramid)

    def update(self, step: int, learning_rate: float) -> None:
        """Change the weights and their moving average by the gradients.

        Args:
            step: steps done so far.
            learning_rate: of this update.
        """
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        self.processes.average_gradients(self.parameters)
        if self.options.clip_norm:
            nn.utils.clip_grad_norm_(self.parameters, self.options.clip_norm)
        for hook in self.hooks.values():
            hook.before_update(step)
        self.optimizer.step()
        for hook in self.hooks.values():
            hook.after_update(step, learning_rate)
        self._update_average(step)

    def is_finite(self) -> bool:
        """Whether all weights are finite, and the averaged ones in float16 too."""
        shipped = (parameter.half() for parameter in self.ema.parameters())
        return all(bool(tensor.isfinite().all()) for tensor in (*self.parameters, *shipped))

    def _update_average(self, step: int) -> None:
        """Exponential moving average. Its decay rises from 0.1, so that short runs forget their start."""
        decay = min(self.options.ema_decay, (1 + step) / (10 + step))
        average = get_ema_multi_avg_fn(decay)
        average(list(self.ema.parameters()), list(self.network.parameters()), step)

    def _compute_loss_for_graph(self, pyramid: Sequence[Tensor]) -> Tensor:
        with self.autocast():  # entered while recording, so that the graph reuses no weights that were cast before
            return self.compute_loss(pyramid)


def computes_in_bf16(device: torch.device) -> bool:
    """Whether bf16 is faster than float32 on a device.

    x86 processors without AVX-512 emulate it: a convolution took 9.5 times as long as in float32 on one with AVX2.
    """
    return device.type != "cpu" or torch.backends.cpu.get_cpu_capability() not in ("DEFAULT", "AVX2")
