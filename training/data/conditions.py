"""Named, fixed degradations that measure networks for photographs."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from sr_infer.errors import OptionError
from training.data.degradation_parts import (
    Kernel,
    Pixels,
    add_camera_noise,
    add_gaussian_noise,
    blur,
    halve_chroma,
    jpeg,
    sharpen,
    shrink,
    smooth_chroma,
    webp,
)

SEED = 1
"""Seed of the noise, the same for every picture."""
Finish = Callable[[Pixels], Pixels]


def _clean(lr: Pixels) -> Pixels:
    return lr


def _noise() -> np.random.Generator:
    return np.random.default_rng(SEED)


def _phone(lr: Pixels) -> Pixels:
    noisy = smooth_chroma(add_camera_noise(lr, 5e-4, 1e-6, _noise()), 1.0)
    return jpeg(sharpen(noisy, 1.0, 70), 90)


def _twice(lr: Pixels) -> Pixels:
    """The second grid begins 3 px further down and 5 px further right."""
    once = np.pad(jpeg(lr, 75), ((5, 0), (3, 0), (0, 0)), mode="edge")
    return jpeg(once, 90)[5:, 3:]


_CONDITIONS: Mapping[str, tuple[Kernel, Finish]] = {
    "MATLAB bicubic": ("matlab-bicubic", _clean),
    "Pillow Lanczos": ("lanczos", _clean),
    "area": ("box", _clean),
    "Pillow bilinear": ("bilinear", _clean),
    "cubic, no antialias": ("cubic-without-antialias", _clean),
    "linear, no antialias": ("linear-without-antialias", _clean),
    "JPEG 95": ("matlab-bicubic", lambda lr: jpeg(lr, 95)),
    "JPEG 90": ("matlab-bicubic", lambda lr: jpeg(lr, 90)),
    "JPEG 75": ("matlab-bicubic", lambda lr: jpeg(lr, 75)),
    "JPEG 50": ("matlab-bicubic", lambda lr: jpeg(lr, 50)),
    "JPEG 90, 4:4:4": ("matlab-bicubic", lambda lr: jpeg(lr, 90, "4:4:4")),
    "area, JPEG 85": ("box", lambda lr: jpeg(lr, 85)),
    "Lanczos, JPEG 75": ("lanczos", lambda lr: jpeg(lr, 75)),
    "JPEG 75, then 90": ("matlab-bicubic", _twice),
    "WebP 75": ("matlab-bicubic", lambda lr: webp(lr, 75)),
    "4:2:0 only": ("matlab-bicubic", halve_chroma),
    "noise 5": ("matlab-bicubic", lambda lr: add_gaussian_noise(lr, 5, _noise())),
    "noise 10": ("matlab-bicubic", lambda lr: add_gaussian_noise(lr, 10, _noise())),
    "blur 0.5": ("matlab-bicubic", lambda lr: blur(lr, (0.5, 0.5))),
    "sharpened, JPEG 90": ("box", lambda lr: jpeg(sharpen(lr, 1.0, 80), 90)),
    "phone": ("box", _phone),
}
CONDITIONS: Sequence[str] = tuple(_CONDITIONS)
VALIDATED: Sequence[str] = (
    "MATLAB bicubic",
    "Pillow Lanczos",
    "area",
    "cubic, no antialias",
    "JPEG 95",
    "JPEG 90",
    "JPEG 75",
    "noise 5",
)
"""The conditions that validate a run with random degradations."""


def degrade_by_name(hr: Pixels, scale: int, condition: str) -> Pixels:
    """The LR picture of an HR one, which is cropped at the top left to a multiple of `scale`.

    Args:
        hr: (H, W, 3) uint8.
        scale: at least 1.
        condition: one of CONDITIONS. Blur, sharpening and noise are those of the LR picture, sizes in LR pixels; where
            no kernel is named, MATLAB's bicubic shrinks, "sharpened" and "phone" by area; JPEG is 4:2:0 where nothing
            else is said.

    Returns:
        (H // scale, W // scale, 3) uint8.

    Raises:
        OptionError: there is no such condition.
    """
    if condition not in _CONDITIONS:
        raise OptionError(f"a condition is one of {', '.join(_CONDITIONS)}, not {condition!r}")
    kernel, finish = _CONDITIONS[condition]
    h, w = hr.shape[0] // scale, hr.shape[1] // scale
    return finish(shrink(np.ascontiguousarray(hr[: h * scale, : w * scale]), (h, w), kernel))
