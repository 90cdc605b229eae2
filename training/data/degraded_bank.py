"""Patches that are degraded anew at every draw."""

from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sr_infer.resize import downscale
from training.data.patch_bank import PatchBank
from training.data.random_chain import RandomChain, degrade_randomly, draw_flat

MARGIN_PX = 8
"""Cut off the LR patch on all sides after the chain, so that neither borders nor an image's first block show."""


class DegradedBank:
    """Random aligned patches of HR pictures, flipped and rotated, whose LR side a random chain makes on the CPU."""

    def __init__(
        self,
        pictures: Iterable[NDArray[np.uint8]],
        *,
        divisors: tuple[int, ...],
        lr_patch_px: int,
        chain: RandomChain,
        device: torch.device,
    ) -> None:
        """
        Args:
            pictures: (H, W, 3) uint8 RGB, each side at least `least_side_px(divisors[0], lr_patch_px)`.
            divisors: what the HR picture is shrunk by for each resolution, the largest (the network's input) first;
                those between are shrunk by MATLAB's bicubic.
            lr_patch_px: side of a patch at the lowest resolution.
            chain: degradations of the LR patches.
            device: of the patches; the pictures stay in main memory.

        Raises:
            ImageError: there is no picture.
        """
        self.divisors, self.lr_patch_px, self.chain, self.device = divisors, lr_patch_px, chain, device
        side_px = least_side_px(divisors[0], lr_patch_px)
        self._hr = PatchBank(pictures, divisors=(1,), lr_patch_px=side_px, device=torch.device("cpu"))

    def __len__(self) -> int:
        """Number of pictures."""
        return len(self._hr)

    def draw(self, batch: int, generator: torch.Generator, *, share: slice = slice(None)) -> list[Tensor]:
        """Patches at every divisor, coarse to fine, (N, 3, h, w) uint8.

        Args:
            batch: how many to draw.
            generator: on the CPU; the same state gives the same patches.
            share: the part of the batch that this process wants.
        """
        seeds = torch.randint(2**62, (batch,), generator=generator)[share].tolist()
        (hr,) = self._hr.draw(batch, generator, share=share)
        with torch.autocast("cpu", enabled=False):
            pyramids = [
                self._pyramid(patch.permute(1, 2, 0).numpy(), seed) for patch, seed in zip(hr, seeds, strict=True)
            ]
        return [
            torch.from_numpy(np.stack(level)).permute(0, 3, 1, 2).to(self.device)
            for level in zip(*pyramids, strict=True)
        ]

    def _pyramid(self, hr: NDArray[np.uint8], seed: int) -> list[NDArray[np.uint8]]:
        rng, scale = np.random.default_rng(seed), self.divisors[0]
        if rng.random() < self.chain.flat:
            hr = draw_flat(hr.shape[0], rng)
        lr = degrade_randomly(np.ascontiguousarray(hr), scale, self.chain, rng)
        inner, outer = slice(MARGIN_PX, -MARGIN_PX), slice(MARGIN_PX * scale, -MARGIN_PX * scale)
        return [lr[inner, inner], *(downscale(hr[outer, outer], divisor) for divisor in self.divisors[1:])]


def least_side_px(scale: int, lr_patch_px: int) -> int:
    """Smallest side of an HR picture that patches can be cut from, in px."""
    return scale * (lr_patch_px + 2 * MARGIN_PX)
