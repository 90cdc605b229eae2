"""Images with more than 8 bits per channel, which Pillow silently reduces to 8 bits or cannot read.

PNG, TIFF and JPEG 2000 need the extra `sr-infer[hdr]` (tifffile and imagecodecs). Without it, and for other formats,
such an image is refused, so that no bits are lost silently. Pillow itself handles 16-bit grey without transparency.
"""

import io
from collections.abc import Callable
from types import ModuleType
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin, UnidentifiedImageError

from sr_infer.errors import ImageError, OutputError
from sr_infer.image_io import formats, jpeg2000
from sr_infer.image_io.formats import JPEG2000, PNG, Format
from sr_infer.image_io.left_out import TIFF_STARTS
from sr_infer.image_io.metadata import Metadata
from sr_infer.image_io.png_chunks import HEADER_BYTES, insert_colour

_TIFF_BITS_PER_SAMPLE = 258
_SNIFFED_BYTES = 4096
"""Length of the part of a file in which its bit depth is looked for."""
_EXTRA = "which needs the extra: pip install 'sr-infer[hdr]'"
_PILLOW_KEEPS_GREY = ("I;16", "I;16L", "I;16B", "I;16N", "I", "F")


def open_image(file: BinaryIO) -> tuple[Image.Image, bool]:
    """Open a file with Pillow without decoding it, and tell whether only `decode` keeps its bit depth.

    Raises:
        ImageError: a TIFF that needs the extra, which is not installed; or a format such as EPS that is not read.
        UnidentifiedImageError: not a picture.
    """
    try:
        image = Image.open(file)
    except UnidentifiedImageError:
        file.seek(0)
        data = file.read()
        if not data.startswith(TIFF_STARTS):
            raise
        return _open_as_8_bits(data), True
    if not formats.by_name(image.format).is_read:
        raise ImageError(f"{image.format} files are drawn by other programs or hold no image; convert this one to PNG")
    has_grey_mode = image.mode in _PILLOW_KEEPS_GREY and "transparency" not in image.info
    return image, not has_grey_mode and _stored_bits(file, image) > 8


def _open_as_8_bits(data: bytes) -> Image.Image:
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
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        return int(max(image.tag_v2.get(_TIFF_BITS_PER_SAMPLE, (1,))))
    read_bits = _BITS_IN_HEADER.get(image.format or "")
    return 8 if read_bits is None else read_bits(header)


def _jpeg2000_bits(header: bytes) -> int:
    size_marker = header.find(b"\xff\x51")
    return (header[size_marker + 40] & 0x7F) + 1 if 0 <= size_marker < len(header) - 40 else 8


def _avif_bits(header: bytes) -> int:
    configuration = header.find(b"av1C")
    return 10 if configuration >= 0 and header[configuration + 6] & 0x40 else 8


def _ppm_bits(header: bytes) -> int:
    numbers = [word for line in header.splitlines() for word in line.partition(b"#")[0].split()]
    return 16 if numbers[0] in (b"P2", b"P3", b"P5", b"P6") and int(numbers[3]) > 255 else 8


_BITS_IN_HEADER: dict[str, Callable[[bytes], int]] = {
    "PNG": lambda header: header[24],
    "JPEG2000": _jpeg2000_bits,
    "AVIF": _avif_bits,
    "PPM": _ppm_bits,
    "SGI": lambda header: 8 * header[3],
}
"""How each format with more than 8 bits states its bits per channel."""


def channel_count(image: Image.Image) -> int:
    """Number of channels, 2 to 4, that `decode` will return for an opened file."""
    bands = len(image.getbands()) + ("transparency" in image.info)
    return min(max(bands, 2), 4)


def decode(data: bytes, name: str, image: Image.Image) -> NDArray[np.uint16]:
    """Pixels (H, W, C) uint16 of a file with 9 to 16 bits per channel, 65535 for white; C is 2, 3 or 4.

    Args:
        data: the file.
        name: for messages.
        image: the file as `open_image` returned it.

    Raises:
        ImageError: another format, or the extra is not installed, or not 16-bit unsigned grey or RGB.
    """
    if not formats.by_name(image.format).holds_16_bit_colour:
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
    if image.format == "PNG":
        pixels = imagecodecs.png_decode(data)
    elif image.format == "JPEG2000":
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
    """A TIFF's first page, its bits, and whether alpha is multiplied in."""
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        page = file.pages.first
        pixels: NDArray[Any] = page.asarray()
        if page.planarconfig == tifffile.PLANARCONFIG.SEPARATE:
            pixels = np.moveaxis(pixels, 0, -1)
        if page.photometric not in (tifffile.PHOTOMETRIC.RGB, tifffile.PHOTOMETRIC.MINISBLACK):
            raise ImageError(f"{name}: expected 16-bit grey or RGB, got {page.photometric!s}; convert it first")
        return pixels, page.bitspersample, tifffile.EXTRASAMPLE.ASSOCALPHA in page.extrasamples


def write(pixels: NDArray[np.uint16], file: BinaryIO, file_format: Format, metadata: Metadata) -> None:
    """Write an image with 16 bits per channel as PNG or JPEG 2000.

    For PNG, Pillow writes an image of one 8-bit pixel with all the metadata; the real pixels then replace that pixel.

    Args:
        pixels: (H, W, 2), (H, W, 3) or (H, W, 4).
        file: open for writing.
        file_format: PNG or JPEG 2000.
        metadata: metadata of the image.

    Raises:
        OutputError: the extra is not installed.
    """
    imagecodecs = import_encoders()
    pixels = np.ascontiguousarray(pixels, "<u2")
    if file_format == JPEG2000:
        encoded = imagecodecs.jpeg2k_encode(pixels, level=0, codecformat="jp2", reversible=True)
        jpeg2000.write(encoded, file, metadata)
        return
    shell = io.BytesIO()
    pixel = Image.new(("LA", "RGB", "RGBA")[pixels.shape[2] - 2], (1, 1))
    pixel.save(insert_colour(shell, metadata.png_colour), "PNG", **metadata.save_options(PNG))
    _write_png(memoryview(imagecodecs.png_encode(pixels)), shell.getvalue(), file)


def import_encoders() -> Any:
    """Import the package that encodes 16 bits per channel.

    Raises:
        OutputError: the extra is not installed.
    """
    try:
        import imagecodecs
    except ModuleNotFoundError as error:
        raise OutputError(f"this picture has more than 8 bits per channel, {_EXTRA}") from error
    return imagecodecs


def _write_png(picture: memoryview, shell: bytes, file: BinaryIO) -> None:
    """Write the PNG file `picture` with the metadata chunks of the PNG file `shell`."""
    file.write(picture[:HEADER_BYTES])
    file.write(shell[HEADER_BYTES : shell.index(b"IDAT") - 4])
    file.write(picture[HEADER_BYTES:])
