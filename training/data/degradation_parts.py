"""Degradations as pure functions: shrinking, blur, noise, sharpening, codecs.

All take and return (H, W, 3) uint8 RGB. Sizes of blurs are in pixels of the given picture.
"""

import io
from functools import cache
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from sr_infer.errors import OptionError
from sr_infer.resize import imresize

Pixels = NDArray[np.uint8]
Kernel = Literal[
    "matlab-bicubic",
    "box",
    "hamming",
    "bilinear",
    "bicubic",
    "lanczos",
    "cubic-without-antialias",
    "linear-without-antialias",
]
Subsampling = Literal["4:2:0", "4:2:2", "4:4:4"]
_PILLOW = {
    "box": Image.Resampling.BOX,
    "hamming": Image.Resampling.HAMMING,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
OPENCV_CUBIC = -0.75
"""Keys' a in OpenCV's INTER_CUBIC; MATLAB and Pillow take -0.5."""


def shrink(picture: Pixels, size_hw: tuple[int, int], kernel: Kernel) -> Pixels:
    """Resize to (h, w, 3), with aligned pixel centres, as all these tools do.

    Args:
        picture: (H, W, 3) uint8.
        size_hw: height and width of the result in pixels.
        kernel: "matlab-bicubic" is `sr_infer.resize`; "box" to "lanczos" are Pillow's `resize`, where "box" at a whole
            factor is the mean of each block, as OpenCV's INTER_AREA; "...-without-antialias" are OpenCV's INTER_CUBIC
            and INTER_LINEAR, which look at 4 and 2 pixels an axis whatever the factor, borders repeated.

    Raises:
        OptionError: there is no such kernel.
    """
    if kernel == "matlab-bicubic":
        return imresize(picture, size_hw)
    if kernel in _PILLOW:
        return np.asarray(Image.fromarray(picture).resize(size_hw[::-1], _PILLOW[kernel]))
    if kernel not in get_args(Kernel):
        raise OptionError(f"a kernel is one of {', '.join(get_args(Kernel))}, not {kernel!r}")
    cubic = kernel == "cubic-without-antialias"
    rows, columns = (_interpolation(*sides, cubic) for sides in zip(picture.shape[:2], size_hw, strict=True))
    return _to_levels(np.einsum("hH,HWc,wW->hwc", rows, picture.astype(np.float32), columns, optimize=True))


def blur(picture: Pixels, sigma_px: tuple[float, float], degrees: float = 0.0) -> Pixels:
    """Gaussian blur with mirrored borders, as of a lens or of an optical low-pass filter.

    Args:
        picture: (H, W, 3) uint8, sides above 3 times the larger sigma.
        sigma_px: along and across the direction `degrees`; with both 0 nothing changes.
        degrees: direction, counted from the horizontal axis towards the vertical one, which points down.
    """
    radius = int(np.ceil(3 * max(sigma_px)))
    if radius == 0:
        return picture
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1].astype(np.float64)
    cosine, sine = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    along, across = (max(sigma, 1e-3) for sigma in sigma_px)
    weights = np.exp(-0.5 * (((x * cosine + y * sine) / along) ** 2 + ((y * cosine - x * sine) / across) ** 2))
    kernel = torch.from_numpy(weights / weights.sum()).float()[None, None].repeat(3, 1, 1, 1)
    planes = torch.from_numpy(picture.transpose(2, 0, 1).astype(np.float32))[None]
    padded = torch.nn.functional.pad(planes, (radius,) * 4, mode="reflect")
    return _to_levels(torch.nn.functional.conv2d(padded, kernel, groups=3)[0].permute(1, 2, 0).numpy())


def add_camera_noise(picture: Pixels, shot: float, read: float, rng: np.random.Generator) -> Pixels:
    """Noise of a sensor: in linear light its variance is `shot * light + read` (Brooks et al., CVPR 2019, eq. 4).

    Args:
        picture: (H, W, 3) uint8, taken for sRGB (IEC 61966-2-1).
        shot: variance per unit of light, where white is 1; 1e-4 is a clean picture, 1e-2 a very noisy one.
        read: variance in the dark.
        rng: source of randomness.
    """
    light = _srgb_to_light()[picture]
    light += rng.standard_normal(light.shape, np.float32) * np.sqrt(shot * light + read)
    light = light.clip(0, 1)
    encoded = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return _to_levels(encoded * 255)


def add_gaussian_noise(picture: Pixels, sigma: float, rng: np.random.Generator) -> Pixels:
    """White noise of `sigma` 8-bit levels, independent in each channel, as in papers on denoising."""
    return _to_levels(picture + sigma * rng.standard_normal(picture.shape, np.float32))


def smooth_chroma(picture: Pixels, radius_px: float) -> Pixels:
    """Remove colour noise as cameras do: blur Cb and Cr by Pillow's GaussianBlur, keep Y."""
    y, cb, cr = Image.fromarray(picture).convert("YCbCr").split()
    smooth = ImageFilter.GaussianBlur(radius_px)
    return np.asarray(Image.merge("YCbCr", (y, cb.filter(smooth), cr.filter(smooth))).convert("RGB"))


def halve_chroma(picture: Pixels) -> Pixels:
    """4:2:0 without any other loss, as in video: average Cb and Cr over 2x2 px, then enlarge them linearly."""
    y, *chroma = Image.fromarray(picture).convert("YCbCr").split()
    half = (-(-y.width // 2), -(-y.height // 2))
    cb, cr = (plane.resize(half, Image.Resampling.BOX).resize(y.size, Image.Resampling.BILINEAR) for plane in chroma)
    return np.asarray(Image.merge("YCbCr", (y, cb, cr)).convert("RGB"))


def sharpen(picture: Pixels, radius_px: float, percent: int) -> Pixels:
    """Halos as phones and web services leave them: Pillow's UnsharpMask without a threshold."""
    return np.asarray(Image.fromarray(picture).filter(ImageFilter.UnsharpMask(radius_px, percent, threshold=0)))


def jpeg(picture: Pixels, quality: int, subsampling: Subsampling = "4:2:0") -> Pixels:
    """Through libjpeg's encoder, by Pillow, with its standard tables; the 8x8 grid begins at the top left."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=quality, subsampling=subsampling)
    return np.asarray(Image.open(file))


def webp(picture: Pixels, quality: int) -> Pixels:
    """Through libwebp's lossy encoder, by Pillow; chroma is always 4:2:0."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "WEBP", quality=quality)
    return np.asarray(Image.open(file).convert("RGB"))


def _to_levels(values: NDArray[np.floating]) -> Pixels:
    return np.floor(values + 0.5).clip(0, 255).astype(np.uint8)


@cache
def _srgb_to_light() -> NDArray[np.float32]:
    level = np.arange(256) / 255
    return np.where(level <= 0.04045, level / 12.92, ((level + 0.055) / 1.055) ** 2.4).astype(np.float32)


@cache
def _interpolation(in_size: int, out_size: int, cubic: bool) -> NDArray[np.float32]:
    """Weights (out_size, in_size) that interpolate an axis at the centres of the result's pixels."""
    centre = (np.arange(out_size) + 0.5) * in_size / out_size - 0.5
    first = np.floor(centre).astype(np.intp)
    part = centre - first
    matrix = np.zeros((out_size, in_size))
    for tap in range(-1, 3) if cubic else range(2):
        distance = np.abs(part - tap)
        weight = _cubic(distance) if cubic else 1 - distance
        np.add.at(matrix, (np.arange(out_size), (first + tap).clip(0, in_size - 1)), weight)
    return matrix.astype(np.float32)


def _cubic(distance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Keys' kernel (1981) with OpenCV's a."""
    a = OPENCV_CUBIC
    near = ((a + 2) * distance - (a + 3)) * distance**2 + 1
    far = a * (((distance - 5) * distance + 8) * distance - 4)
    return np.where(distance <= 1, near, np.where(distance < 2, far, 0.0))
