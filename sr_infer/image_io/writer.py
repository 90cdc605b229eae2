"""Pixels into picture files, with their metadata. What is written appears whole or not at all."""

import io
import math
from numbers import Integral
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from sr_infer.atomic_file import replacing
from sr_infer.errors import OptionError, OutputError
from sr_infer.image_io import high_bit_depth, jpeg2000, reader, tiff_writer
from sr_infer.image_io.metadata import Metadata
from sr_infer.image_io.pillow_modes import Pixels, has_pillow_mode, pillow_image, pixels_of

DEFAULT_QUALITY = 95
"""Of JPEG, WebP and AVIF, 1 to 100."""

_ENCODER_BYTES_PER_PX = {"WEBP": 30, "AVIF": 46, "JPEG2000": 56}
"""The most that was measured, on noise and photographs of 1.2 to 6 megapixels. Other encoders work row by row."""
_MOST_SIDE_PX = {"WEBP": 16_383, "JPEG": 65_500, "AVIF": 32_768, "TGA": 65_535, "PCX": 65_534, "SGI": 65_535}
"""AVIF files may have more, but what reads them refuses it."""
_BYTES_FORMATS = ("PNG", "JPEG", "TIFF", "WEBP", "BMP", "JPEG2000", "AVIF", "PPM")
"""Formats in which bytes are given back; others, such as palette files, come back as PNG."""
_WRITTEN = (*_BYTES_FORMATS, "TGA", "PCX", "QOI", "SGI", "DDS")
"""Others would lose colours (GIF), pixels (ICO, ICNS) or be no pictures (PDF)."""
_BAND_PX = 256
_CLASSIC_TIFF_BYTES = 4_000_000_000
_GREY_16_FORMATS = (*high_bit_depth.FORMATS, "PPM")


def file_format(path: Path) -> str:
    """Pillow's name of the format that a file name's extension stands for.

    Raises:
        OptionError: no such files are written.
    """
    extension = path.suffix.lower()
    name = Image.registered_extensions().get(extension)
    if name is None or name not in _WRITTEN or name not in Image.SAVE:
        raise OptionError(f"expected a file name such as out.png, out.jpg, out.tif or out.webp, got {path.name!r}")
    return name


def bytes_format(own: str | None, extension: str | None) -> str:
    """Pillow's name of the format in which bytes are given back.

    Args:
        own: the format that they came in.
        extension: names another, such as "png".

    Raises:
        OptionError: no such files are written.
    """
    if extension is not None:
        return file_format(Path(f"out.{extension.removeprefix('.')}"))
    return own if own in _BYTES_FORMATS else "PNG"


def write(image: Image.Image | Pixels, path: Path, metadata: Metadata, *, quality: int = DEFAULT_QUALITY) -> None:
    """Write a picture into a file whose extension names the format.

    Args:
        image: a Pillow image or pixels (H, W, C).
        path: replaced only when the new file is complete.
        metadata: of the LR picture; size tags are rewritten.
        quality: of lossy formats, 1 to 100.

    Raises:
        OptionError: the extension or quality is out of range.
        OutputError: the format cannot hold such pixels, or the file cannot be written.
    """
    name = file_format(path)
    with replacing(path) as temporary, temporary.open("wb") as file:
        _save(image, file, name, metadata, quality)


def encode(image: Image.Image | Pixels, name: str, metadata: Metadata, *, quality: int = DEFAULT_QUALITY) -> bytes:
    """The bytes of a picture file of one of Pillow's formats.

    Raises:
        OptionError: the quality is out of range.
        OutputError: the format cannot hold such pixels.
    """
    buffer = io.BytesIO()
    _save(image, buffer, name, metadata, quality)
    return buffer.getvalue()


def check(
    name: str, size_hw: tuple[int, int], channels: int, dtype: np.dtype[Any], *, quality: int, in_memory: bool
) -> float:
    """Find out before the work, with a picture of one pixel, whether a format can hold such pictures.

    Args:
        name: Pillow's name of the format.
        size_hw, channels, dtype: of the picture to come.
        quality: of lossy formats, 1 to 100.
        in_memory: the encoded bytes will be kept rather than written to a file.

    Returns:
        Memory that writing takes beside the picture, by the picture's pixels.

    Raises:
        OptionError: the quality is out of range.
        OutputError: the format cannot hold such pixels, or not so many.
    """
    most_px = _MOST_SIDE_PX.get(name, math.inf)
    if max(size_hw) > most_px:
        raise OutputError(
            f"{name} files hold at most {most_px} px a side, and {size_hw[1]}x{size_hw[0]} px are to come; "
            "choose .png or .tif"
        )
    pixel = encode(np.zeros((1, 1, channels), dtype), name, Metadata(), quality=quality)
    if channels in (2, 4) and reader.read(pixel).channels != channels:
        raise OutputError(f"{name} files cannot hold transparency; choose .png, .webp or .tif")
    compressed = 1.1 * channels * dtype.itemsize
    kept_whole = name == "JPEG2000" or (name == "PNG" and dtype.itemsize > 1)
    return _ENCODER_BYTES_PER_PX.get(name, 0) + compressed * (kept_whole + in_memory)


def _save(image: Image.Image | Pixels, file: BinaryIO, name: str, metadata: Metadata, quality: int) -> None:
    if not (isinstance(quality, Integral) and 1 <= quality <= 100):
        raise OptionError(f"expected a quality from 1 to 100, got {quality!r}")
    size_hw = image.size[::-1] if isinstance(image, Image.Image) else (image.shape[0], image.shape[1])
    metadata = metadata.for_size(size_hw)
    if name == "TIFF":
        _save_tiff(image, file, size_hw, metadata)
        return
    if not isinstance(image, Image.Image):
        if not has_pillow_mode(image.shape[2], image.dtype):
            high_bit_depth.write(image, file, name, metadata)
            return
        image = pillow_image(image)
    if image.mode == "I;16" and name not in _GREY_16_FORMATS:
        raise OutputError(f"{name} files cannot hold 16-bit grey; choose .png or .tif")
    options: dict[str, Any] = metadata.save_options(name)
    if name in ("JPEG", "WEBP", "AVIF"):
        options["quality"] = int(quality)
    if name == "JPEG":
        options["subsampling"] = 0
    try:
        if name == "JPEG2000":
            image.save(buffer := io.BytesIO(), name, **options)
            jpeg2000.write(buffer.getbuffer(), file, metadata)
        else:
            image.save(file, name, **options)
    except (OSError, ValueError, SystemError, RuntimeError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise OutputError(f"cannot write this picture as {name} ({error}); PNG and TIFF hold all kinds") from error


def _save_tiff(image: Image.Image | Pixels, file: BinaryIO, size_hw: tuple[int, int], metadata: Metadata) -> None:
    def band(top: int) -> Pixels:
        stop = min(top + _BAND_PX, size_hw[0])
        if isinstance(image, Image.Image):
            return pixels_of(image.crop((0, top, size_hw[1], stop)))[0]
        return image[top:stop]

    first = band(0)
    tiff_writer.write(
        file,
        map(band, range(0, size_hw[0], _BAND_PX)),
        size_hw=size_hw,
        channels=first.shape[2],
        dtype=first.dtype,
        metadata=metadata,
        is_big=size_hw[0] * size_hw[1] * first[0, 0].nbytes > _CLASSIC_TIFF_BYTES,
    )
