"""Parts of a file that its result leaves out: each is named in one warning, and extra bands are refused."""

import logging
import re
import struct
from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO

from PIL import Image, TiffImagePlugin, TiffTags

from sr_infer.errors import ImageError
from sr_infer.image_io import png_chunks
from sr_infer.image_io.metadata import DESCRIPTIVE_TIFF_TAGS

_log = logging.getLogger(__name__)

TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_BIG_TIFF_HEADER_BYTES = 16
_PHOTOMETRIC, _SAMPLES, _EXTRA_SAMPLES = 262, 277, 338
_COLOURS = {0: 1, 1: 1, 2: 3, 3: 1, 4: 1, 5: 4, 6: 3, 8: 3, 9: 3, 10: 3}
"""Samples of a pixel's colour, by the tag PhotometricInterpretation."""
_UNSPECIFIED = 0
_STORAGE_TIFF_TAGS = frozenset(
    {700, 34675, 34665, 34853, 347, 330, 559}
    | {*range(254, 267), 273, 274, *range(277, 285), *range(288, 294), 296, 297, *range(320, 327), 317}
    | {*range(332, 343), *range(512, 522), *range(529, 533)}
)
"""TIFF tags that tell how the file stores its pixels, and those that are carried in another way."""
_TIFF_NAMES = {
    33550: "ModelPixelScale",
    33922: "ModelTiepoint",
    34264: "ModelTransformation",
    34735: "GeoKeyDirectory",
    34736: "GeoDoubleParams",
    34737: "GeoAsciiParams",
    42112: "GDAL_METADATA",
    42113: "GDAL_NODATA",
    34377: "Photoshop data",
    33723: "IPTC data",
    37724: "Photoshop layers",
    50706: "DNGVersion",
}
_KNOWN_PNG_CHUNKS = frozenset(
    {
        *(b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"iCCP", b"eXIf", b"tEXt", b"zTXt", b"iTXt", b"pHYs"),
        *(b"acTL", b"fcTL", b"fdAT"),  # frames have a warning of their own
        *(b"sBIT", b"hIST", b"tIME", b"iDOT"),  # they describe the old pixels and the old file
        *png_chunks.COLOUR_CHUNKS,
    }
)
_KNOWN_WEBP_CHUNKS = frozenset((b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF", b"ICCP", b"EXIF", b"XMP "))
_JPEG_SEGMENTS = (
    (b"http://ns.adobe.com/xmp/extension/", "extended XMP"),
    (b"Photoshop 3.0\0", "Photoshop and IPTC data"),
    (b"JP", "content credentials (JUMBF)"),
    (b"urn:iso:std:iso:ts:21496:-1\0", "gain map"),
    (b"MPF\0", "further pictures (MPF)"),
    (b"FPXR\0", "FlashPix data"),
)
"""First bytes of JPEG application segments that are left out."""
_GAIN_MAP_SIGNS = (b"ns.adobe.com/hdr-gain-map/", b"urn:iso:std:iso:ts:21496:-1", b"ns.apple.com/HDRGainMap/")
_APP0, _APP15, _START_OF_SCAN, _END = 0xE0, 0xEF, 0xDA, 0xD9
_MARKER_AFTER_SCAN = re.compile(rb"\xff+[\x01-\xcf\xd8-\xfe]")


def log_parts_of_file(image: Image.Image, file: BinaryIO, name: str) -> None:
    """Log the parts of an opened file that results leave out.

    Args:
        image: the file as Pillow opened it.
        file: the same file; its position does not change.
        name: what the warning calls it.
    """
    find = _FINDERS.get(image.format or "")
    if find is not None:
        position = file.tell()
        file.seek(0)
        log_parts_left_out(name, find(image, file))
        file.seek(position)


def log_parts_left_out(name: str, parts: Iterable[str]) -> None:
    """Log the parts of the file `name` that its result leaves out, if there are any."""
    if names := ", ".join(dict.fromkeys(parts)):
        _log.warning("%s: the result is without %s", name, names)


def refuse_extra_bands(file: BinaryIO, name: str) -> None:
    """Refuse a TIFF with samples that are neither colour nor transparency. The position of the file does not change.

    Raises:
        ImageError: it has such samples, as satellite pictures with near infrared do.
    """
    position = file.tell()
    file.seek(0)
    header = file.read(_BIG_TIFF_HEADER_BYTES)
    if header.startswith(TIFF_STARTS):
        directory = TiffImagePlugin.ImageFileDirectory_v2(header if header[2:4] in (b"+\0", b"\0+") else header[:8])
        file.seek(directory.next)
        directory.load(file)
        samples = int(directory.get(_SAMPLES, 1))
        extra = samples - _COLOURS.get(directory.get(_PHOTOMETRIC, 1), samples)
        kinds = directory.get(_EXTRA_SAMPLES, ())
        bands = extra - 1 if extra and (not kinds or any(kind != _UNSPECIFIED for kind in kinds)) else extra
        if bands > 0:
            raise ImageError(
                f"{name} has {bands} more {'band' if bands == 1 else 'bands'} than colour and transparency; "
                "a result would lose them; save every band as a grey picture and enlarge these"
            )
    file.seek(position)


def tiff_parts_left_out(image: Image.Image) -> Iterator[str]:
    """Names of the tags of an opened TIFF that results leave out."""
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        for tag in sorted(set(image.tag_v2) - _STORAGE_TIFF_TAGS - DESCRIPTIVE_TIFF_TAGS):
            yield _TIFF_NAMES.get(tag) or TiffTags.lookup(tag).name.replace("unknown", f"TIFF tag {tag}")


def _in_png(image: Image.Image, file: BinaryIO) -> Iterator[str]:
    for kind, _ in png_chunks.chunks(file):
        if kind not in _KNOWN_PNG_CHUNKS:
            yield f"PNG chunk {kind.decode('latin-1')}"
        if kind == b"IEND":
            return


def _in_webp(image: Image.Image, file: BinaryIO) -> Iterator[str]:
    start = 12
    while True:
        file.seek(start)
        header = file.read(8)
        if len(header) < 8:
            return
        kind, length = struct.unpack("<4sI", header)
        if kind not in _KNOWN_WEBP_CHUNKS:
            yield f"WebP chunk {kind.decode('latin-1')}"
        start += 8 + length + length % 2


def _in_jpeg(image: Image.Image, file: BinaryIO) -> Iterator[str]:
    data = file.read()
    position = 2
    while len(data) - position >= 4 and data[position] == 0xFF and data[position + 1] != _END:
        marker, length = data[position + 1], int.from_bytes(data[position + 2 : position + 4], "big")
        content = position + 4
        if _APP0 <= marker <= _APP15:
            yield from (name for start, name in _JPEG_SEGMENTS if data.startswith(start, content))
        position += 2 + length
        if marker == _START_OF_SCAN:
            found = _MARKER_AFTER_SCAN.search(data, position)
            if found is None:
                return
            position = found.end() - 2
    rest = memoryview(data)[position + 2 :].tobytes()
    is_gain_map, is_video = any(sign in data for sign in _GAIN_MAP_SIGNS), b"ftyp" in rest
    if is_gain_map:
        yield "gain map"
    if is_video:
        yield "video of a motion photo"
    if not (is_gain_map or is_video or image.format == "MPO") and rest.strip(b"\0"):
        yield f"{len(rest)} bytes that follow the picture"


_FINDERS: dict[str, Callable[[Image.Image, BinaryIO], Iterator[str]]] = {
    "TIFF": lambda image, file: tiff_parts_left_out(image),
    "PNG": _in_png,
    "WEBP": _in_webp,
    "JPEG": _in_jpeg,
    "MPO": _in_jpeg,
}
"""How the parts of each format are found. Files of other formats hold nothing more."""
