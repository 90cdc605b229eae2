"""All pictures of a set in memory as uint8, at every resolution of the loss, and random patches of them."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sr_infer.errors import ImageError
from sr_infer.resize import downscale, imresize
from training.data.degradations import Degradation, degrade


class PatchBank:
    """Random aligned patches, uniformly over all positions, flipped and rotated in the 8 possible ways.

    Everything, the gathering included, happens on `device`, so that loading never limits a run.
    """

    def __init__(
        self,
        pictures: Iterable[NDArray[np.uint8]],
        *,
        divisors: tuple[int, ...],
        lr_patch_px: int,
        device: torch.device,
        degradation: Degradation = "bicubic",
        shrunk: Sequence[float] = (),
    ) -> None:
        """
        Args:
            pictures: (H, W, 3) uint8 RGB, each side at least `divisors[0] * lr_patch_px`.
            divisors: what the HR picture is shrunk by for each resolution, the largest (the network's input) first.
            lr_patch_px: side of a patch at the lowest resolution.
            device: of the pictures and the patches.
            degradation: of the lowest resolution; those between it and HR are bicubic.
            shrunk: factors below 1 by which copies of the pictures are shrunk first; too small ones are left out.

        Raises:
            ImageError: there is no picture.
        """
        self.divisors = divisors
        self.lr_patch_px = lr_patch_px
        self.device = device
        pixels = [bytearray() for _ in divisors]  # which grow in place
        sizes = []
        self._pictures = 0
        for picture in pictures:
            self._pictures += 1
            for copy in _with_shrunk(picture, shrunk, least_px=divisors[0] * lr_patch_px):
                h, w = (side // divisors[0] for side in copy.shape[:2])
                hr = copy[: h * divisors[0], : w * divisors[0]]
                sizes.append((h, w))
                resized = [degrade(hr, divisors[0], degradation), *(downscale(hr, divisor) for divisor in divisors[1:])]
                for level, picture_px in zip(pixels, resized, strict=True):
                    level += picture_px.tobytes()
        if not sizes:
            raise ImageError(f"no picture can be used for patches of {divisors[0] * lr_patch_px} px")
        self._pixels = [torch.frombuffer(level, dtype=torch.uint8).view(-1, 3).to(device) for level in pixels]
        self._sizes = torch.tensor(sizes)
        self._starts = torch.cat((torch.zeros(1, dtype=torch.long), self._sizes.prod(1).cumsum(0)[:-1]))
        self._positions = (self._sizes - lr_patch_px + 1).prod(1).cumsum(0)

    def __len__(self) -> int:
        """Number of pictures."""
        return self._pictures

    def draw(self, batch: int, generator: torch.Generator, *, share: slice = slice(None)) -> list[Tensor]:
        """Patches at every divisor, coarse to fine, (N, 3, h, w) uint8.

        Args:
            batch: how many to draw.
            generator: on the CPU; the same state gives the same patches on every device.
            share: the part of the batch that this process wants.
        """
        position = torch.randint(int(self._positions[-1]), (batch,), generator=generator)
        flips = torch.randint(2, (3, batch), generator=generator, dtype=torch.bool)
        picture = torch.searchsorted(self._positions, position, right=True)
        position -= torch.where(picture > 0, self._positions[picture - 1], 0)
        width = self._sizes[picture, 1]
        top, left = position // (width - self.lr_patch_px + 1), position % (width - self.lr_patch_px + 1)
        drawn = torch.stack((self._starts[picture], width, top, left))[:, share].to(self.device, non_blocking=True)
        flips = flips[:, share].to(self.device, non_blocking=True)
        return [
            self._gather(level, self.divisors[0] // divisor, drawn, flips)
            for level, divisor in zip(self._pixels, self.divisors, strict=True)
        ]

    def _gather(self, pixels: Tensor, factor: int, drawn: Tensor, flips: Tensor) -> Tensor:
        start, width, top, left = drawn[:, :, None, None]
        transposed, upside_down, mirrored = flips[:, :, None, None]
        size = self.lr_patch_px * factor
        i, j = torch.meshgrid(*(torch.arange(size, device=self.device),) * 2, indexing="ij")
        row, column = torch.where(transposed, j, i), torch.where(transposed, i, j)
        row = torch.where(upside_down, size - 1 - row, row) + top * factor
        column = torch.where(mirrored, size - 1 - column, column) + left * factor
        index = start * factor**2 + row * (width * factor) + column
        return pixels[index].permute(0, 3, 1, 2)


def _with_shrunk(picture: NDArray[np.uint8], factors: Sequence[float], *, least_px: int) -> Iterator[NDArray[np.uint8]]:
    yield picture
    for factor in factors:
        h, w = (round(side * factor) for side in picture.shape[:2])
        if min(h, w) >= least_px:
            yield imresize(picture, (h, w))
