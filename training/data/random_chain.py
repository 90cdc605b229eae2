"""A chain of degradations drawn anew for every patch: the table `[degradations]` of a recipe."""

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from sr_infer.errors import OptionError
from training.data.degradation_parts import (
    Kernel,
    Pixels,
    Subsampling,
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

Part = Literal["blur", "shrink", "noise", "sharpen", "compress"]
Codec = Literal["none", "jpeg", "webp", "chroma"]
Shares = tuple[tuple[str, float], ...]
Range = tuple[float, float]
GRID_PX = 8
"""Side of a JPEG block; a second compression is shifted by up to one less."""


@dataclass(frozen=True, kw_only=True)
class RandomChain:
    """The table `[degradations]`: order, shares and ranges. Shares of alternatives are weights, others probabilities.

    Raises:
        OptionError: a value is out of range.
    """

    order: tuple[str, ...] = ("blur", "shrink", "noise", "sharpen", "compress")
    """All five parts in the order in which they are applied."""
    clean: float = 0.2
    """Share of patches that MATLAB's bicubic shrinks, without any other degradation."""
    flat: float = 0.0
    """Share of patches that are one colour or a linear ramp, before the chain."""
    kernels: Shares = (("matlab-bicubic", 1.0),)
    """Kernels for shrinking, with the share of each."""
    two_steps: float = 0.0
    """Share that is shrunk in two steps, by one kernel to a size in between and by another one from there."""
    blurred: float = 0.0
    blur_sigma_px: Range = (0.2, 0.6)
    """In pixels of the small picture, each axis on its own, direction at random."""
    noisy: float = 0.0
    """Share with camera noise (three quarters of it) or plain Gaussian noise (a quarter)."""
    shot: Range = (1e-4, 3e-3)
    """Of camera noise, drawn evenly on a logarithmic scale; the read noise follows from it."""
    noise_sigma: Range = (1.0, 10.0)
    """Of Gaussian noise, in 8-bit levels."""
    smoothed: float = 0.5
    """Share of camera noise without its colour part."""
    sharpened: float = 0.0
    sharpen_radius_px: Range = (0.5, 1.5)
    sharpen_percent: Range = (30, 120)
    codecs: Shares = (("none", 1.0),)
    """"none", "jpeg", "webp" or "chroma" (4:2:0 without any other loss), with the share of each."""
    quality: Range = (40, 98)
    """Range of the quality of JPEG and WebP, unless it is light."""
    light: float = 0.0
    """Share of compressions that are light."""
    light_quality: Range = (93, 98)
    subsampling: Shares = (("4:2:0", 1.0),)
    """Chroma subsampling of JPEG, with the share of each."""
    twice: float = 0.0
    """Share of JPEGs that are compressed twice, with a quality and grid for each."""

    def __post_init__(self) -> None:
        if sorted(self.order) != sorted(get_args(Part)):
            raise OptionError(f"order must hold each of {', '.join(get_args(Part))} once, got {self.order}")
        for name in ("clean", "flat", "two_steps", "blurred", "noisy", "smoothed", "sharpened", "light", "twice"):
            if not 0 <= getattr(self, name) <= 1:
                raise OptionError(f"{name} is a share and must be in [0, 1], got {getattr(self, name)}")
        for name, known in (
            ("kernels", get_args(Kernel)),
            ("codecs", get_args(Codec)),
            ("subsampling", get_args(Subsampling)),
        ):
            _check_shares(name, getattr(self, name), known)
        for name, least, most in (
            ("blur_sigma_px", 0.0, 5.0),
            ("shot", 1e-8, 1.0),
            ("noise_sigma", 0.0, 100.0),
            ("sharpen_radius_px", 0.0, 10.0),
            ("sharpen_percent", 0.0, 500.0),
            ("quality", 1, 100),
            ("light_quality", 1, 100),
        ):
            low, high = getattr(self, name)
            if not least <= low <= high <= most:
                raise OptionError(f"{name} must be two rising values in {least:g} .. {most:g}, got {(low, high)}")


def degrade_randomly(hr: Pixels, scale: int, chain: RandomChain, rng: np.random.Generator) -> Pixels:
    """Draw a degradation from `rng` and apply it; the same state gives the same picture.

    Args:
        hr: (scale h, scale w, 3) uint8.
        scale: at least 1.
        chain: degradations and their shares.
        rng: source of randomness.

    Returns:
        (h, w, 3) uint8.
    """
    h, w = hr.shape[0] // scale, hr.shape[1] // scale
    if rng.random() < chain.clean:
        return shrink(hr, (h, w), "matlab-bicubic")
    picture, now_scale = hr, scale
    for part in chain.order:
        if part == "shrink":
            picture, now_scale = _shrink(picture, (h, w), chain, rng), 1
        elif part == "blur" and rng.random() < chain.blurred:
            along, across = rng.uniform(*chain.blur_sigma_px, 2) * now_scale
            picture = blur(picture, (along, across), rng.uniform(0, 180))
        elif part == "noise" and rng.random() < chain.noisy:
            picture = _add_noise(picture, chain, rng)
        elif part == "sharpen" and rng.random() < chain.sharpened:
            radius_px = rng.uniform(*chain.sharpen_radius_px) * now_scale
            picture = sharpen(picture, radius_px, round(rng.uniform(*chain.sharpen_percent)))
        elif part == "compress":
            picture = _compress(picture, chain, rng)
    return picture


def draw_flat(side_px: int, rng: np.random.Generator) -> Pixels:
    """One colour (half of the cases) or a linear ramp between two colours, (side_px, side_px, 3) uint8."""
    colours = rng.integers(0, 256, (2, 3)).astype(np.float64)
    if rng.random() < 0.5:
        colours[1] = colours[0]
    angle = rng.uniform(0, 2 * np.pi)
    y, x = np.mgrid[:side_px, :side_px] / max(side_px - 1, 1) - 0.5
    along = ((x * np.cos(angle) + y * np.sin(angle)) / np.sqrt(2) + 0.5)[:, :, None]
    return np.floor(colours[0] * (1 - along) + colours[1] * along + 0.5).astype(np.uint8)


def _shrink(picture: Pixels, size_hw: tuple[int, int], chain: RandomChain, rng: np.random.Generator) -> Pixels:
    if rng.random() < chain.two_steps:
        share = rng.uniform(0.2, 0.8)
        between = [round(small + share * (large - small)) for small, large in zip(size_hw, picture.shape, strict=False)]
        picture = shrink(picture, (between[0], between[1]), _choose(chain.kernels, rng))
    return shrink(picture, size_hw, _choose(chain.kernels, rng))


def _add_noise(picture: Pixels, chain: RandomChain, rng: np.random.Generator) -> Pixels:
    if rng.random() < 0.25:
        return add_gaussian_noise(picture, rng.uniform(*chain.noise_sigma), rng)
    log_shot = rng.uniform(*np.log(chain.shot))
    log_read = 2.18 * log_shot + 1.2 + 0.26 * rng.standard_normal()  # Brooks et al., CVPR 2019, section 3.1
    noisy = add_camera_noise(picture, np.exp(log_shot), np.exp(log_read), rng)
    return smooth_chroma(noisy, rng.uniform(0.5, 2.0)) if rng.random() < chain.smoothed else noisy


def _compress(picture: Pixels, chain: RandomChain, rng: np.random.Generator) -> Pixels:
    codec = _choose(chain.codecs, rng)
    if codec == "chroma":
        return halve_chroma(picture)
    if codec == "webp":
        return webp(picture, _draw_quality(chain, rng))
    if codec == "jpeg":
        for _ in range(1 + (rng.random() < chain.twice)):
            picture = _jpeg_on_shifted_grid(picture, chain, rng)
    return picture


def _jpeg_on_shifted_grid(picture: Pixels, chain: RandomChain, rng: np.random.Generator) -> Pixels:
    """The grid begins up to 7 px above and left of the picture; borders are repeated there."""
    top, left = rng.integers(0, GRID_PX, 2)
    padded = np.pad(picture, ((top, 0), (left, 0), (0, 0)), mode="edge")
    return jpeg(padded, _draw_quality(chain, rng), _choose(chain.subsampling, rng))[top:, left:]


def _draw_quality(chain: RandomChain, rng: np.random.Generator) -> int:
    return round(rng.uniform(*(chain.light_quality if rng.random() < chain.light else chain.quality)))


def _choose(shares: Shares, rng: np.random.Generator) -> Any:
    weights = np.array([share for _, share in shares])
    return shares[rng.choice(len(shares), p=weights / weights.sum())][0]


def _check_shares(name: str, shares: Shares, known: tuple[str, ...]) -> None:
    if unknown := [kind for kind, _ in shares if kind not in known]:
        raise OptionError(f"{name}: expected {', '.join(known)}, got {', '.join(unknown)}")
    if not shares or min(share for _, share in shares) < 0 or not sum(share for _, share in shares) > 0:
        raise OptionError(f"{name}: expected shares that are not negative, one of them positive, got {shares}")
