"""Colour of 16 bits per channel, which Pillow reads as 8 bits without a word: noticed, decoded, and written.

Needs the extra `sr-infer[hdr]` (tifffile and imagecodecs) for PNG and TIFF. Without it, and for other formats, such a
picture is refused rather than halved.
"""

import io
import zlib
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin

from sr_infer.errors import ImageError, OutputError
from sr_infer.metadata import Metadata

_TIFF_BITS_PER_SAMPLE = 258
_DEFLATE = 8
_PNG_HEADER_BYTES = 8 + 25
"""Signature and the chunk IHDR."""
_SNIFFED_BYTES = 4096


def stored_bits(file: BinaryIO, image: Image.Image) -> int:
    """Bits per channel that the file's header states; 8 for formats that have no more.

    Args:
        file: what `image` was opened from; its position is kept.
        image: opened, not necessarily loaded.
    """
    position = file.tell()
    file.seek(0)
    header = file.read(_SNIFFED_BYTES)
    file.seek(position)
    if image.format == "PNG":
        return header[24]
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        return int(max(image.tag_v2.get(_TIFF_BITS_PER_SAMPLE, (1,))))
    if image.format == "JPEG2000":
        size_marker = header.find(b"\xff\x51")
        return (header[size_marker + 40] & 0x7F) + 1 if 0 <= size_marker < len(header) - 40 else 8
    if image.format == "AVIF":
        configuration = header.find(b"av1C")
        return 10 if configuration >= 0 and header[configuration + 6] & 0x40 else 8
    if image.format == "PPM":
        numbers = [word for line in header.splitlines() for word in line.partition(b"#")[0].split()]
        return 16 if numbers[0] in (b"P2", b"P3", b"P5", b"P6") and int(numbers[3]) > 255 else 8
    return 8


def decode(data: bytes, name: str, image_format: str | None) -> NDArray[np.uint16]:
    """Pixels (H, W, C) uint16 of a PNG or TIFF file with 16 bits per channel; C is 2, 3 or 4.

    Raises:
        ImageError: another format, or the extra is not installed, or not 16-bit unsigned grey or RGB.
    """
    if image_format not in ("PNG", "TIFF"):
        raise ImageError(
            f"{name} has more than 8 bits per channel, which is read from PNG and TIFF only; "
            "convert it to one of these, or to 8 bits"
        )
    try:
        import imagecodecs
        import tifffile
    except ModuleNotFoundError as error:
        raise ImageError(
            f"{name} has colour of 16 bits per channel, which needs the extra: pip install 'sr-infer[hdr]'"
        ) from error
    pixels: NDArray[Any]
    premultiplied = False
    if image_format == "PNG":
        pixels = imagecodecs.png_decode(data)
    else:
        with tifffile.TiffFile(io.BytesIO(data)) as file:
            page = file.pages.first
            pixels = page.asarray()
            if page.planarconfig == tifffile.PLANARCONFIG.SEPARATE:
                pixels = np.moveaxis(pixels, 0, -1)
            if page.photometric not in (tifffile.PHOTOMETRIC.RGB, tifffile.PHOTOMETRIC.MINISBLACK):
                raise ImageError(f"{name}: expected 16-bit grey or RGB, got {page.photometric!s}; convert it first")
            premultiplied = tifffile.EXTRASAMPLE.ASSOCALPHA in page.extrasamples
    if pixels.dtype.newbyteorder("=") != np.uint16 or pixels.ndim != 3 or pixels.shape[2] not in (2, 3, 4):
        raise ImageError(f"{name}: expected uint16 pixels of 2 to 4 channels, got {pixels.dtype} {pixels.shape}")
    pixels = np.ascontiguousarray(pixels, dtype=np.uint16)
    if premultiplied:
        colour, alpha = pixels[..., :-1], pixels[..., -1:]
        pixels[..., :-1] = np.minimum(np.rint(colour * (65535.0 / np.maximum(alpha, 1))), 65535)
    return pixels


def encode(pixels: NDArray[np.uint16], image_format: str, metadata: Metadata) -> bytes:
    """A PNG or TIFF file with 16 bits per channel.

    Pillow writes a picture of one 8-bit pixel with all the metadata, in whose place the real pixels are then put.

    Args:
        pixels: (H, W, 2), (H, W, 3) or (H, W, 4).
        image_format: "PNG" or "TIFF".
        metadata: of the picture.

    Raises:
        OutputError: another format, or the extra is not installed.
    """
    if image_format not in ("PNG", "TIFF"):
        raise OutputError(f"{image_format} files cannot hold colour of 16 bits per channel; choose .png or .tif")
    mode = ("LA", "RGB", "RGBA")[pixels.shape[2] - 2]
    shell = io.BytesIO()
    Image.new(mode, (1, 1)).save(shell, image_format, **metadata.save_options(image_format))
    return _png(pixels, shell.getvalue()) if image_format == "PNG" else _tiff(pixels, shell)


def _png(pixels: NDArray[np.uint16], shell: bytes) -> bytes:
    try:
        import imagecodecs
    except ModuleNotFoundError as error:
        raise _no_extra() from error
    picture = imagecodecs.png_encode(pixels)
    before = shell[_PNG_HEADER_BYTES : shell.index(b"IDAT") - 4]
    return bytes(picture[:_PNG_HEADER_BYTES] + before + picture[_PNG_HEADER_BYTES:])


def _tiff(pixels: NDArray[np.uint16], shell: io.BytesIO) -> bytes:
    try:
        import tifffile
    except ModuleNotFoundError as error:
        raise _no_extra() from error
    height, width, channels = pixels.shape
    start = shell.seek(0, io.SEEK_END)
    strip = zlib.compress(pixels.astype("<u2", copy=False).tobytes(), level=6)
    shell.write(strip)
    shell.seek(0)
    with tifffile.TiffFile(shell, mode="r+") as file:
        tags = file.pages.first.tags
        for name, value in {
            "ImageWidth": width,
            "ImageLength": height,
            "BitsPerSample": (16,) * channels,
            "Compression": _DEFLATE,
            "RowsPerStrip": height,
            "StripOffsets": start,
            "StripByteCounts": len(strip),
        }.items():
            tags[name].overwrite(value)
    return shell.getvalue()


def _no_extra() -> OutputError:
    return OutputError("writing colour of 16 bits per channel needs the extra: pip install 'sr-infer[hdr]'")
