"""MemSR's initialisation-aware distillation (eq. 12-14): it keeps the student's features close to the teacher's."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from sr_infer.errors import OptionError
from training.compress.memsr.conversion import teacher_features
from training.losses import ReconstructionLoss
from training.networks import EDSR, OnesPlain, Plain
from training.networks.convolution_algebra import Convolution


@dataclass(frozen=True, kw_only=True)
class Distillation:
    """The table `[distillation]`; the defaults are the paper's.

    Raises:
        OptionError: a value is out of range.
    """

    weight: float = 0.3
    """Weight of the features' error at the start; 0 trains without distillation."""
    decay: float = 1e-5
    """Share of the weight at the end of the run."""
    bridges: bool = True
    """Whether bridges begin as in the initialisation, or at random."""

    def __post_init__(self) -> None:
        if self.weight < 0 or not 0 < self.decay <= 1:
            raise OptionError(f"weight must not be negative and decay in (0, 1], got {self.weight}, {self.decay}")


class DistillationLoss(nn.Module):
    """`loss + weight decay^t * mean over layers of MSE(bridge(student's features), teacher's features)`, t from 0 to 1.

    The bridges are trained as well.
    """

    def __init__(
        self,
        loss: ReconstructionLoss,
        teacher: EDSR,
        bridges: Sequence[Convolution],
        settings: Distillation,
        progress: Tensor,
    ) -> None:
        """
        Args:
            loss: what the student learns otherwise.
            teacher: it is neither trained nor saved.
            bridges: from the student's features to the teacher's, layer by layer.
            settings: weight and decay.
            progress: how far the run is, t: one number, which the run changes.
        """
        super().__init__()
        self.loss = loss
        self.settings, self._progress = settings, progress
        self._teacher = [teacher.eval().requires_grad_(False)]
        self.bridges = nn.ModuleList(_module(bridge, is_random=not settings.bridges) for bridge in bridges)

    def forward(self, network: OnesPlain | Plain, pyramid: Sequence[Tensor]) -> Tensor:
        features = network.features(pyramid[0])
        image = network.add_mean(network.tail(features[-1]))
        with torch.no_grad():
            targets = list(teacher_features(self._teacher[0], pyramid[0]))
        missed = [
            mse_loss(bridge(g).float(), f.float()) for bridge, g, f in zip(self.bridges, features, targets, strict=True)
        ]
        weight = self.settings.weight * self.settings.decay**self._progress
        loss = self.loss.primal([image], pyramid) + self.loss.dual(network, [image], pyramid)
        return loss + weight * torch.stack(missed).mean()


def _module(bridge: Convolution, *, is_random: bool) -> nn.Conv2d:
    module = nn.Conv2d(bridge.inputs, bridge.outputs, 1)
    if not is_random:
        module.load_state_dict({"weight": bridge.weight, "bias": bridge.bias})
    return module
