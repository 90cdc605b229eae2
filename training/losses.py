"""The losses: L1 or L2 on every output image of the network, and DRN's dual regression for any network."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, l1_loss, mse_loss

from training.networks import DualStep, Network, NetworkConfig

Dual = bool | Literal["bicubic"]
Distance = Literal["l1", "l2"]


class ReconstructionLoss(nn.Module):
    """`sum_k L1(P_k(x), y_k) + dual_weight * sum_k L1(D_k(P_k(x)), y_(k-1))` (DRN eq. 1, at every scale step).

    k runs over the network's output images, coarse to fine: 1x, 2x, .. for DRN, one image for all others. Each
    dual network D_k starts from the primal image of its own scale, not from the step above it, and is trained as well.
    A network with one image has one dual network that takes all steps. L1 is the mean absolute difference, or, with the
    distance "l2", the mean squared one.
    """

    def __init__(
        self,
        config: NetworkConfig,
        *,
        distance: Distance = "l1",
        dual: Dual = False,
        dual_weight: float = 0.1,
        dual_on_hr: bool = False,
    ) -> None:
        """
        Args:
            config: of the network to train.
            distance: between every image and its target.
            dual: whether there are dual networks; "bicubic" for fixed ones that shrink as MATLAB does (table C).
            dual_weight: lambda.
            dual_on_hr: add `dual_weight * L1(P(D(y)), y)` (table 7), which doubles the work.
        """
        super().__init__()
        self.distance = {"l1": l1_loss, "l2": mse_loss}[distance]
        self.dual_weight = dual_weight
        self.dual_on_hr = dual_on_hr
        self.downscale_factors = config.downscale_factors
        """Factors by which the network's input and each target are smaller than the HR picture."""
        self.duals = nn.ModuleList()
        if dual:
            pairs = zip(self.downscale_factors, self.downscale_factors[1:], strict=False)
            factors = [larger // smaller for larger, smaller in pairs]
            self.duals.extend(
                Bicubic(factor) if dual == "bicubic" else _learnt_dual(factor, config.dual_features)
                for factor in factors
            )

    def forward(self, network: Network, pyramid: Sequence[Tensor]) -> Tensor:
        """One number.

        Args:
            network: what is trained.
            pyramid: pictures at `downscale_factors`, the input first, (N, 3, h, w) in the network's range.
        """
        images = network.pyramid(pyramid[0])
        return self.primal(images, pyramid) + self.dual(network, images, pyramid)

    def primal(self, images: Sequence[Tensor], pyramid: Sequence[Tensor]) -> Tensor:
        """The distance, summed over the network's images."""
        pairs = zip(reversed(images), reversed(pyramid), strict=False)
        return torch.stack([self.distance(image.float(), target) for image, target in pairs]).sum()

    def dual(self, network: Network, images: Sequence[Tensor], pyramid: Sequence[Tensor]) -> Tensor | float:
        """Lambda times the error of the dual networks; 0 without any."""
        if not self.duals:
            return 0.0
        steps = zip(self.duals, images[-len(self.duals) :], pyramid, strict=False)
        missed = torch.stack([self.distance(dual(image).float(), target) for dual, image, target in steps]).sum()
        if self.dual_on_hr:
            cycled = network(self.shrink(pyramid[-1], len(self.duals))).float()
            missed = missed + self.distance(cycled, pyramid[-1])
        return self.dual_weight * missed

    def shrink(self, image: Tensor, steps: int) -> Tensor:
        """D of all steps: an image that many scale steps up, back to the network's input size."""
        for dual in reversed(self.duals[:steps]):
            image = dual(image)
        return image.float()


class Bicubic(nn.Module):
    """A fixed dual network: MATLAB's antialiased bicubic, without its rounding, and with another border."""

    def __init__(self, factor: int) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, image: Tensor) -> Tensor:
        h, w = (side // self.factor for side in image.shape[2:])
        return interpolate(image.float(), (h, w), mode="bicubic", align_corners=False, antialias=True)


def _learnt_dual(factor: int, features: int) -> nn.Module:
    if factor in (2, 3):
        return DualStep(features, stride=factor)
    return nn.Sequential(*(DualStep(features) for _ in range(factor.bit_length() - 1)))
