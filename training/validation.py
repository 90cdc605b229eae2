"""What a run is watched by: luma PSNR on the middle of a few pictures that it does not learn from."""

from collections.abc import Callable
from statistics import mean

import numpy as np
import torch
from numpy.typing import NDArray

from sr_infer.errors import ImageError
from sr_infer.metrics import psnr_y
from training.data.degradations import Degradation, degrade
from training.data.folder import Folder, read_pictures, warn_of
from training.networks import Network

Pixels = NDArray[np.uint8]
PICTURES = 24
SIDE_PX = 256
"""Of the middle part that is looked at."""


class Validation:
    """The pictures, in memory."""

    def __init__(self, folder: Folder, *, scale: int, multiple: int, degradation: Degradation) -> None:
        """
        Args:
            folder: up to 24 of its validation pictures are taken.
            scale: of the network.
            multiple: what the sides are cut to a multiple of.
            degradation: how LR pictures are made.

        Raises:
            ImageError: there is no picture of a side of 16 times `multiple`.
        """
        self.scale, self.degradation = scale, degradation
        chosen = folder.validation[:: max(1, len(folder.validation) // PICTURES)][:PICTURES]
        skipped: dict[str, str] = {}
        pictures = read_pictures(folder.root, chosen, least_px=16 * multiple, skipped=skipped)
        self.pictures = [_middle(picture, multiple) for picture in pictures]
        warn_of(skipped)
        if not self.pictures:
            raise ImageError(f"{folder.root} leaves no picture for validation; add more pictures")

    def psnr_y_db(self, upscale: Callable[[Pixels], Pixels]) -> float:
        """Mean over the pictures."""
        scale = self.scale
        return mean(psnr_y(upscale(degrade(hr, scale, self.degradation)), hr, border=scale) for hr in self.pictures)


@torch.no_grad()
def upscale_pixels(network: Network, lr: Pixels) -> Pixels:
    """(h, w, 3) uint8 through a network, rounded to (scale h, scale w, 3) uint8."""
    device, levels = next(network.parameters()).device, network.config.value_range / 255
    pixels = torch.from_numpy(lr.transpose(2, 0, 1).copy())[None].to(device, torch.float32) * levels
    sr = network(pixels.contiguous(memory_format=torch.channels_last))[0].float() / levels
    return sr.round().clamp(0, 255).byte().permute(1, 2, 0).cpu().numpy()


def _middle(picture: Pixels, multiple: int) -> Pixels:
    h, w = (min(side, SIDE_PX) // multiple * multiple for side in picture.shape[:2])
    top, left = (picture.shape[0] - h) // 2, (picture.shape[1] - w) // 2
    return picture[top : top + h, left : left + w]
