"""Validation during training: PSNR-Y on the middle of a few pictures that are not trained on."""

import logging
from collections.abc import Sequence
from statistics import mean

import numpy as np
import torch
from numpy.typing import NDArray

from sr_infer.errors import ImageError
from sr_infer.metrics import psnr_y
from training.data.conditions import VALIDATED, degrade_by_name
from training.data.degradations import Degradation, degrade
from training.data.folder import Folder, read_pictures
from training.networks import Network

LOG = logging.getLogger(__name__)
Pixels = NDArray[np.uint8]
PICTURES = 24
SIDE_PX = 256
"""Largest side of the middle part, in px."""


def validation_pictures(folder: Folder, *, multiple: int) -> list[Pixels]:
    """The middle parts of up to 24 of the folder's validation pictures, (h, w, 3) uint8, sides multiples of `multiple`.

    Raises:
        ImageError: none has sides of 16 times `multiple`.
    """
    chosen = folder.validation[:: max(1, len(folder.validation) // PICTURES)][:PICTURES]
    pictures = [_middle(p, multiple) for p in read_pictures(folder.root, chosen, least_px=16 * multiple)]
    if not pictures:
        raise ImageError(f"{folder.root} leaves no picture for validation; add more pictures")
    return pictures


def mean_psnr_y_db(network: Network, pictures: Sequence[Pixels], degradation: Degradation) -> float:
    """Mean PSNR-Y over HR pictures, upscaled from LR ones of this degradation."""
    scale = network.config.scale
    return mean(psnr_y(upscale_pixels(network, degrade(hr, scale, degradation)), hr, border=scale) for hr in pictures)


def mean_psnr_y_of_conditions_db(network: Network, pictures: Sequence[Pixels]) -> float:
    """Mean PSNR-Y over HR pictures and the degradations VALIDATED; logs each of them."""
    scale = network.config.scale
    each = {
        name: mean(
            psnr_y(upscale_pixels(network, degrade_by_name(hr, scale, name)), hr, border=scale) for hr in pictures
        )
        for name in VALIDATED
    }
    LOG.info("validation: %s", ", ".join(f"{name} {psnr_db:.2f} dB" for name, psnr_db in each.items()))
    return mean(each.values())


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
