"""The losses: L1 on every image that the network gives, and DRN's dual regression."""

from torch import Tensor, nn
from torch.nn.functional import l1_loss

from sr_infer.errors import OptionError
from training.networks import DRN, DRNConfig, DualStep, NetworkConfig


class ReconstructionLoss(nn.Module):
    """`sum_k L1(P_k(x), y_k) + dual_weight * sum_k L1(D_k(P_k(x)), y_(k-1))` (DRN eq. 1, at every scale step).

    k runs over the images that the network gives, coarse to fine: 1x, 2x, .. for DRN, one image for all others. Each
    dual network D_k starts from the primal image of its own scale, not from the step above it, and is learnt along.
    """

    def __init__(self, config: NetworkConfig, dual_weight: float) -> None:
        super().__init__()
        self.dual_weight = dual_weight
        self.divisors = (config.scale, 1)
        """What the HR picture is shrunk by to get the network's input and each target."""
        self.duals = nn.ModuleList()
        if isinstance(config, DRNConfig):
            self.divisors = tuple(2**step for step in range(config.steps, -1, -1))
            if dual_weight:
                self.duals.extend(DualStep(config.features) for _ in range(config.steps))
        elif dual_weight:
            raise OptionError("dual_weight needs a network with an image at every scale; use drn, or set it to 0")

    def forward(self, network: nn.Module, pyramid: list[Tensor]) -> Tensor:
        """One number.

        Args:
            network: what is trained.
            pyramid: the pictures at `divisors`, the network's input first, (N, 3, h, w) in the network's range.
        """
        if not isinstance(network, DRN):
            return l1_loss(network(pyramid[0]), pyramid[-1])
        images = network.pyramid(pyramid[0])
        loss = sum(l1_loss(image, target) for image, target in zip(images, pyramid, strict=True))
        for dual, image, target in zip(self.duals, images[1:], pyramid, strict=False):
            loss = loss + self.dual_weight * l1_loss(dual(image).float(), target)
        return loss
