"""More than 8 bits per channel where Pillow reads 8 without a word, or nothing: noticed, decoded, and written.

Needs the extra `sr-infer[hdr]` (tifffile and imagecodecs) for PNG, TIFF and JPEG 2000. Without it, and for other
formats, such a picture is refused rather than halved. 16-bit grey without transparency is Pillow's own affair.
"""

import io
from types import ModuleType
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin, UnidentifiedImageError

from sr_infer.errors import ImageError, OutputError
from sr_infer.image_io import jpeg2000
from sr_infer.image_io.metadata import Metadata

FORMATS = ("PNG", "TIFF", "JPEG2000")
"""That are read and written with 16 bits per channel."""
_TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_TIFF_BITS_PER_SAMPLE = 258
_PNG_HEADER_BYTES = 8 + 25
"""Signature and the chunk IHDR."""
_SNIFFED_BYTES = 4096
_DRAWN_BY_PROGRAMS = ("EPS", "WMF")
"""Formats that Pillow hands to Ghostscript or Windows, which strangers' files must not reach."""
_EXTRA = "which needs the extra: pip install 'sr-infer[hdr]'"
_PILLOW_KEEPS_GREY = ("I;16", "I;16L", "I;16B", "I;16N", "I", "F")


def opened(file: BinaryIO) -> tuple[Image.Image, bool]:
    """A file opened by Pillow, not yet loaded, and whether its pixels must come from `decode` to keep their depth.

    Raises:
        ImageError: a kind of TIFF that needs the extra, which is not installed; or a drawing such as EPS.
        UnidentifiedImageError: not a picture.
    """
    try:
        image = Image.open(file)
    except UnidentifiedImageError:
        file.seek(0)
        data = file.read()
        if not data.startswith(_TIFF_STARTS):
            raise
        return _opened_as_8_bits(data), True
    if image.format in _DRAWN_BY_PROGRAMS:
        raise ImageError(f"{image.format} files are drawn by other programs; convert this one to PNG")
    has_grey_mode = image.mode in _PILLOW_KEEPS_GREY and "transparency" not in image.info
    return image, not has_grey_mode and _stored_bits(file, image) > 8


def _opened_as_8_bits(data: bytes) -> Image.Image:
    """A TIFF of 16-bit grey with alpha, which Pillow does not know, opened for its metadata as if it had 8 bits."""
    try:
        import tifffile
    except ModuleNotFoundError as error:
        raise ImageError(f"Pillow cannot read this kind of TIFF; {_EXTRA}") from error
    shallow = io.BytesIO(data)
    with tifffile.TiffFile(shallow, mode="r+") as file:
        bits = file.pages.first.tags["BitsPerSample"]
        bits.overwrite([8] * bits.count)
    return Image.open(shallow)


def _stored_bits(file: BinaryIO, image: Image.Image) -> int:
    """Bits per channel that the file's header states; 8 for formats that have no more."""
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
    if image.format == "SGI":
        return 8 * header[3]
    return 8


def mode(image: Image.Image) -> str:
    """What `decode` will make of an opened file: LA;16, RGB;16 or RGBA;16."""
    bands = len(image.getbands()) + ("transparency" in image.info)
    return ("LA;16", "RGB;16", "RGBA;16")[sorted((2, bands, 4))[1] - 2]


def decode(data: bytes, name: str, image: Image.Image) -> NDArray[np.uint16]:
    """Pixels (H, W, C) uint16 of a file with 9 to 16 bits per channel, 65535 for white; C is 2, 3 or 4.

    Args:
        data: the file.
        name: for messages.
        image: the file as it was `opened`.

    Raises:
        ImageError: another format, or the extra is not installed, or not 16-bit unsigned grey or RGB.
    """
    image_format = image.format
    if image_format not in FORMATS:
        raise ImageError(
            f"{name} has more than 8 bits per channel, which is read from PNG, TIFF and JPEG 2000 only; "
            "convert it to one of these, or to 8 bits"
        )
    try:
        import imagecodecs
        import tifffile
    except ModuleNotFoundError as error:
        raise ImageError(f"{name} has more than 8 bits per channel, {_EXTRA}") from error
    premultiplied = False
    bits = 16
    pixels: NDArray[Any]
    if image_format == "PNG":
        pixels = imagecodecs.png_decode(data)
    elif image_format == "JPEG2000":
        pixels = imagecodecs.jpeg2k_decode(data)
        bits = _stored_bits(io.BytesIO(data), image)
    else:
        pixels, bits, premultiplied = _tiff_pixels(data, name, tifffile)
    if pixels.dtype.newbyteorder("=") != np.uint16 or pixels.ndim != 3 or pixels.shape[2] not in (2, 3, 4):
        raise ImageError(f"{name}: expected uint16 pixels of 2 to 4 channels, got {pixels.dtype} {pixels.shape}")
    pixels = np.ascontiguousarray(pixels, dtype=np.uint16)
    for row in pixels:  # one at a time: the products are four times as large
        if bits < 16:
            row[:] = np.rint(row * (65535 / (2**bits - 1)))
        if premultiplied:
            row[:, :-1] = np.minimum(np.rint(row[:, :-1] * (65535.0 / np.maximum(row[:, -1:], 1))), 65535)
    return pixels


def _tiff_pixels(data: bytes, name: str, tifffile: ModuleType) -> tuple[NDArray[Any], int, bool]:
    """A TIFF's first page without samples that mean nothing, its bits, and whether alpha is multiplied in."""
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        page = file.pages.first
        pixels: NDArray[Any] = page.asarray()
        if page.planarconfig == tifffile.PLANARCONFIG.SEPARATE:
            pixels = np.moveaxis(pixels, 0, -1)
        if page.photometric not in (tifffile.PHOTOMETRIC.RGB, tifffile.PHOTOMETRIC.MINISBLACK):
            raise ImageError(f"{name}: expected 16-bit grey or RGB, got {page.photometric!s}; convert it first")
        if page.extrasamples[:1] == (tifffile.EXTRASAMPLE.UNSPECIFIED,):
            pixels = pixels[..., : -len(page.extrasamples)]
        return pixels, page.bitspersample, tifffile.EXTRASAMPLE.ASSOCALPHA in page.extrasamples


def write(pixels: NDArray[np.uint16], file: BinaryIO, image_format: str, metadata: Metadata) -> None:
    """Write a picture with 16 bits per channel as PNG or JPEG 2000.

    For PNG, Pillow writes a picture of one 8-bit pixel with all the metadata, in whose place the real pixels are then
    put.

    Args:
        pixels: (H, W, 2), (H, W, 3) or (H, W, 4).
        file: open for writing.
        image_format: Pillow's name.
        metadata: of the picture.

    Raises:
        OutputError: another format, or the extra is not installed.
    """
    if image_format not in FORMATS:
        raise OutputError(f"{image_format} files cannot hold colour of 16 bits per channel; choose .png or .tif")
    try:
        import imagecodecs
    except ModuleNotFoundError as error:
        raise OutputError(f"this picture has more than 8 bits per channel, {_EXTRA}") from error
    pixels = np.ascontiguousarray(pixels, "<u2")
    if image_format == "JPEG2000":
        encoded = imagecodecs.jpeg2k_encode(pixels, level=0, codecformat="jp2", reversible=True)
        jpeg2000.write(encoded, file, metadata)
        return
    shell = io.BytesIO()
    Image.new(("LA", "RGB", "RGBA")[pixels.shape[2] - 2], (1, 1)).save(shell, "PNG", **metadata.save_options("PNG"))
    _write_png(memoryview(imagecodecs.png_encode(pixels)), shell.getvalue(), file)


def _write_png(picture: memoryview, shell: bytes, file: BinaryIO) -> None:
    """`picture` with what `shell` holds between its header and its pixels."""
    file.write(picture[:_PNG_HEADER_BYTES])
    file.write(shell[_PNG_HEADER_BYTES : shell.index(b"IDAT") - 4])
    file.write(picture[_PNG_HEADER_BYTES:])
