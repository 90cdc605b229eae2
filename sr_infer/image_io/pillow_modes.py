"""Convert Pillow images to pixels and back.

Palettes become RGB or RGBA, bilevel becomes grey, CMYK becomes sRGB. Pillow modes with 32 bits are refused.
"""

import io
import logging
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin

from sr_infer.errors import ImageError

Pixels = NDArray[Any]
"""(H, W, C) of uint8, uint16, or float32 in [0, 1]; C is 1 grey, 2 grey + alpha, 3 RGB, 4 RGB + alpha."""

_log = logging.getLogger(__name__)

_PIXEL_MODES = {
    "1": "L",
    "L": "L",
    "LA": "LA",
    "La": "LA",
    "PA": "RGBA",
    "RGB": "RGB",
    "RGBX": "RGB",
    "RGBA": "RGBA",
    "RGBa": "RGBA",
    "YCbCr": "RGB",
    "HSV": "RGB",
    "CMYK": "RGB",
}
_TIFF_BITS_PER_SAMPLE, _TIFF_PHOTOMETRIC = 258, 262
_WHITE_IS_ZERO = 0
_GREY_16_MODES = ("I;16", "I;16L", "I;16B", "I;16N")


def pixel_mode(image: Image.Image) -> str:
    """The mode to which an image's pixels are converted: L, LA, RGB, RGBA or I;16. Nothing is decoded.

    Raises:
        ImageError: the image has a mode with 32 bits, such as I or F.
    """
    if image.mode in _GREY_16_MODES or (image.mode == "I" and image.format == "PPM"):
        return "I;16"
    if "transparency" in image.info and image.mode in ("1", "L", "P", "RGB"):
        return "LA" if image.mode in ("1", "L") else "RGBA"
    if image.mode == "P":
        return "RGB" if image.palette is None else image.palette.mode
    if image.mode in _PIXEL_MODES:
        return _PIXEL_MODES[image.mode]
    raise ImageError(f"expected 8 bits per channel or 16-bit grey, got Pillow mode {image.mode!r}; convert it first")


def pixels_of(image: Image.Image) -> tuple[Pixels, bytes | None]:
    """The pixels of an image in the mode that `pixel_mode` returns, and their ICC profile.

    Raises:
        ImageError: as in `pixel_mode`.
    """
    mode = pixel_mode(image)
    profile = image.info.get("icc_profile") or None
    if image.mode == "CMYK":
        return np.asarray(_srgb_of_cmyk(image, profile)), _srgb_profile()
    if mode == "I;16":
        return _grey_16(image)[..., None], profile
    pixels = np.asarray(image if image.mode == mode else image.convert(mode))
    return (pixels[..., None] if pixels.ndim == 2 else pixels), profile


def _grey_16(image: Image.Image) -> NDArray[np.uint16]:
    """Grey (H, W) with 65535 for white; Pillow does not scale the values of TIFF files."""
    grey = np.asarray(image).astype(np.uint16)
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        (bits,) = image.tag_v2[_TIFF_BITS_PER_SAMPLE]
        if bits < 16:
            grey = np.rint(grey * (65535 / (2**bits - 1))).astype(np.uint16)
        if image.tag_v2.get(_TIFF_PHOTOMETRIC) == _WHITE_IS_ZERO:
            grey = 65535 - grey
    return grey


def _srgb_of_cmyk(image: Image.Image, profile: bytes | None) -> Image.Image:
    from PIL import ImageCms

    if profile is not None:
        try:
            converted = ImageCms.profileToProfile(
                image, io.BytesIO(profile), ImageCms.createProfile("sRGB"), outputMode="RGB"
            )
        except ImageCms.PyCMSError as error:
            _log.warning("the CMYK profile is not usable (%s); converted without it", error)
        else:
            assert converted is not None
            return converted
    return image.convert("RGB")


def _srgb_profile() -> bytes:
    from PIL import ImageCms

    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def has_pillow_mode(channels: int, dtype: np.dtype[Any]) -> bool:
    """Whether Pillow can hold such pixels: all with 8 bits, and grey with 16 bits."""
    return dtype == np.uint8 or (dtype == np.uint16 and channels == 1)


def pillow_image(pixels: Pixels) -> Image.Image:
    """Convert pixels for which `has_pillow_mode` is true to a Pillow image."""
    return Image.fromarray(np.ascontiguousarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels))


def pillow_mode(channels: int, dtype: np.dtype[Any]) -> str:
    """The mode of the image that `pillow_image` returns."""
    return "I;16" if dtype == np.uint16 else ("L", "LA", "RGB", "RGBA")[channels - 1]
