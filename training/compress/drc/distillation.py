"""Fine-tuning with a larger DRN as teacher, as in the authors' code. The loss compares the channel means of the
features before the last tail, so the two networks may have different widths.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from training.losses import ReconstructionLoss
from training.networks import DRN


class TailDistillation(nn.Module):
    """`loss + weight * MSE` between the channel means of the last tail's input and of the teacher's."""

    def __init__(self, loss: ReconstructionLoss, teacher: DRN, weight: float) -> None:
        """
        Args:
            loss: what the student learns otherwise.
            teacher: a DRN of the same scale; it is neither trained nor saved.
            weight: 1 in the authors' code.
        """
        super().__init__()
        self.loss = loss
        self.weight = weight
        self._teacher = [teacher.eval().requires_grad_(False)]
        self._read: dict[nn.Module, Tensor] = {}
        teacher.tails[-1].register_forward_pre_hook(self._keep_inputs)

    def forward(self, network: DRN, pyramid: Sequence[Tensor]) -> Tensor:
        teacher = self._teacher[0]
        with torch.no_grad():
            teacher(pyramid[0])
        hook = network.tails[-1].register_forward_pre_hook(self._keep_inputs)
        loss = self.loss(network, pyramid)
        hook.remove()
        mine, wanted = (self._read.pop(tail).float().mean(dim=1) for tail in (network.tails[-1], teacher.tails[-1]))
        return loss + self.weight * mse_loss(mine, wanted)

    def _keep_inputs(self, tail: nn.Module, inputs: tuple[Tensor]) -> None:
        self._read.setdefault(tail, inputs[0])  # `dual_on_hr` runs the student a second time, on D(y)
