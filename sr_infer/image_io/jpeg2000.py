"""Read and write ICC profile, EXIF, XMP and resolution of JPEG 2000 files. Pillow reads only the resolution.

The metadata is stored in boxes (ISO/IEC 15444-1, annex I): a length, a type, and content that may be boxes again. EXIF
and XMP are stored in boxes of the type `uuid`, EXIF as a TIFF file without pixels.
"""

import io
import math
import struct
from collections.abc import Iterator
from fractions import Fraction
from typing import BinaryIO

from PIL import Image

from sr_infer.image_io.metadata import Metadata

_EXIF = b"JpgTiffExif->JP2"
_XMP = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
_EXIF_PREFIX = b"Exif\0\0"
_RESTRICTED_PROFILE, _ANY_PROFILE = 2, 3
"""Methods of the box `colr` that stand for an ICC profile after the first three bytes."""
_DOTS_PER_METRE = Fraction(10_000, 254)
_MAX_16_BITS = 65_535


def read_into_info(image: Image.Image, file: BinaryIO) -> None:
    """Store the metadata of the boxes in `image.info`, under the names that Pillow uses for other formats.

    Args:
        image: a JPEG 2000 file that Pillow opened.
        file: the same file; its position does not change.
    """
    position = file.tell()
    file.seek(0)
    data = file.read()
    file.seek(position)
    for kind, content in _boxes(memoryview(data)):
        if kind == b"uuid" and content[:16] == _EXIF:
            image.info["exif"] = _EXIF_PREFIX + bytes(content[16:]).removeprefix(_EXIF_PREFIX)
        elif kind == b"uuid" and content[:16] == _XMP:
            image.info["xmp"] = bytes(content[16:])
        elif kind == b"jp2h":
            for inner, of_header in _boxes(content):
                if inner == b"colr" and of_header[0] in (_RESTRICTED_PROFILE, _ANY_PROFILE):
                    image.info["icc_profile"] = bytes(of_header[3:])


def write(encoded: bytes | bytearray | memoryview, file: BinaryIO, metadata: Metadata) -> None:
    """Write an encoded image with metadata in boxes.

    Args:
        encoded: a JPEG 2000 file without metadata.
        file: open for writing.
        metadata: metadata of the image.
    """
    for kind, content in _boxes(memoryview(encoded)):
        _write_box(file, kind, _header(content, metadata) if kind == b"jp2h" else content)
    if metadata.exif is not None:
        _write_box(file, b"uuid", _EXIF + metadata.exif.removeprefix(_EXIF_PREFIX))
    if metadata.xmp is not None:
        _write_box(file, b"uuid", _XMP + metadata.xmp)


def _header(content: memoryview, metadata: Metadata) -> bytes:
    """Add profile and resolution to the content of `jp2h`."""
    header = io.BytesIO()
    for kind, inner in _boxes(content):
        if kind == b"colr" and metadata.icc_profile is not None:
            _write_box(header, kind, bytes([_RESTRICTED_PROFILE, 0, 0]) + metadata.icc_profile)
        else:
            _write_box(header, kind, inner)
    if metadata.dpi is not None and min(metadata.dpi) >= 1:
        across, down = (_rational(dpi) for dpi in metadata.dpi)
        capture = struct.pack(">I4sHHHHBB", 18, b"resc", *down, *across, 2, 2)
        _write_box(header, b"res ", capture)
    return header.getvalue()


def _rational(dpi: float) -> tuple[int, int]:
    """Convert dpi to hundreds of dots per metre, as numerator and denominator of 16 bits each."""
    hundreds = Fraction(dpi) * _DOTS_PER_METRE / 100
    return hundreds.limit_denominator(_MAX_16_BITS // math.ceil(hundreds)).as_integer_ratio()


def _boxes(data: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """Yield type and content of each complete box; nothing for a bare codestream."""
    while len(data) >= 8:
        length, kind = struct.unpack(">I4s", data[:8])
        start = 8
        if length == 1 and len(data) >= 16:
            (length,) = struct.unpack(">Q", data[8:16])
            start = 16
        elif length == 0:
            length = len(data)
        if not start <= length <= len(data):
            return
        yield kind, data[start:length]
        data = data[length:]


def _write_box(file: BinaryIO, kind: bytes, content: bytes | memoryview) -> None:
    if 8 + len(content) <= 0xFFFFFFFF:
        file.write(struct.pack(">I4s", 8 + len(content), kind))
    else:
        file.write(struct.pack(">I4sQ", 1, kind, 16 + len(content)))
    file.write(content)
