"""Targets from a trained network: its result for a randomly turned patch, turned back.

Over many steps they average to the network's geometric self-ensemble (Timofte et al., CVPR 2016, section 3.4), which is
better than the network. It holds nothing that the LR picture lacks, so gradients have little noise.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from training.networks import Network


class SelfEnsemble:
    """`share` of each target is the teacher's, the rest is the HR picture's."""

    def __init__(self, teacher: Network, share: float) -> None:
        """
        Args:
            teacher: of the student's scale and value range; it is not trained.
            share: above 0, at most 1.
        """
        self.share = share
        self._teacher = teacher.eval().requires_grad_(False)
        self._pyramid: Callable[[Tensor], list[Tensor]] = teacher.pyramid

    def compile(self) -> None:
        """Let torch compile the teacher at its first step."""
        self._pyramid = torch.compile(self._teacher.pyramid)

    @torch.no_grad()
    def blended(self, pyramid: Sequence[Tensor], turns: Sequence[int]) -> list[Tensor]:
        """The pyramid with blended targets.

        Args:
            pyramid: the LR patches, then their targets, coarse to fine, (N, 3, h, w), square.
            turns: one for each patch, in 0 .. `sr_infer.tiling.self_ensemble.ORIENTATIONS` - 1.
        """
        lr, *targets = pyramid
        turned_lr = torch.stack([turned(patch, turn) for patch, turn in zip(lr, turns, strict=True)])
        images = self._pyramid(turned_lr.contiguous(memory_format=torch.channels_last))
        taught = targets[: -len(images)]
        for target, image in zip(targets[-len(images) :], images[-len(targets) :], strict=True):
            upright = torch.stack([turned_back(one, turn) for one, turn in zip(image.float(), turns, strict=True)])
            taught.append(target.lerp(upright, self.share).contiguous(memory_format=torch.channels_last))
        return [lr, *taught]


def turned(image: Tensor, turn: int) -> Tensor:
    """(..., h, w) as `sr_infer.tiling.self_ensemble.orient` does it."""
    return (image.flip(-1) if turn >= 4 else image).rot90(turn % 4, (-2, -1))


def turned_back(image: Tensor, turn: int) -> Tensor:
    """What `turned` undoes."""
    upright = image.rot90(-(turn % 4), (-2, -1))
    return upright.flip(-1) if turn >= 4 else upright
