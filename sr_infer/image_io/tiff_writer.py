"""Write TIFF files in deflated tiles, band by band, so that an image may be larger than memory.

Pillow compresses TIFF files through libtiff, which refuses the directories that EXIF needs.
"""

import zlib
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

import numpy as np
from PIL import TiffTags
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from sr_infer.image_io.metadata import DIRECTORIES, Metadata
from sr_infer.image_io.pillow_modes import Pixels

_TILE_PX = 256
_LITTLE_ENDIAN = b"II*\0" + bytes(4)
_LITTLE_ENDIAN_BIG = b"II+\0\x08\0\0\0" + bytes(8)
"""Headers of a TIFF and a BigTIFF file; they end with the offset of the directory."""
_TAGS = {info.name: tag for tag, info in TiffTags.TAGS_V2.items()}
_GREY, _RGB = 1, 2
_DEFLATE, _DIFFERENCES, _INTERLEAVED, _UNASSOCIATED_ALPHA, _PER_INCH = 8, 2, 1, 2, 2


def write(
    file: BinaryIO,
    bands: Iterable[Pixels],
    *,
    size_hw: tuple[int, int],
    channels: int,
    dtype: np.dtype[Any],
    metadata: Metadata,
    is_big: bool,
) -> None:
    """Write an image.

    Args:
        file: empty, open for writing and seekable.
        bands: the image from top to bottom, each band (rows, W, C) with any number of rows.
        size_hw: height and width of the whole image in px.
        channels: 1 to 4.
        dtype: uint8 or uint16.
        metadata: metadata whose size tags already match the image.
        is_big: write a BigTIFF file, which may be larger than 4 GB.
    """
    header, offset_type = (_LITTLE_ENDIAN_BIG, TiffTags.LONG8) if is_big else (_LITTLE_ENDIAN, TiffTags.LONG)
    file.write(header)
    offsets, lengths = [], []
    for tile in _tiles(bands):
        offsets.append(file.tell())
        lengths.append(file.write(zlib.compress(_differences(tile))))
    directory = ImageFileDirectory_v2(header)
    directory.tagtype[_TAGS["TileOffsets"]] = offset_type
    layout = {
        "ImageWidth": size_hw[1],
        "ImageLength": size_hw[0],
        "BitsPerSample": (8 * dtype.itemsize,) * channels,
        "Compression": _DEFLATE,
        "PhotometricInterpretation": _RGB if channels > 2 else _GREY,
        "SamplesPerPixel": channels,
        "PlanarConfiguration": _INTERLEAVED,
        "Predictor": _DIFFERENCES,
        "TileWidth": _TILE_PX,
        "TileLength": _TILE_PX,
        "TileOffsets": tuple(offsets),
        "TileByteCounts": tuple(lengths),
        "ExtraSamples": (_UNASSOCIATED_ALPHA,) if channels in (2, 4) else None,
        "ICCProfile": metadata.icc_profile,
        "XResolution": metadata.dpi and metadata.dpi[0],
        "YResolution": metadata.dpi and metadata.dpi[1],
        "ResolutionUnit": metadata.dpi and _PER_INCH,
    }
    described = metadata.tiff_tags()
    tags = {tag: dict(described.get_ifd(tag)) if tag in DIRECTORIES else value for tag, value in described.items()}
    for tag, value in (tags | {_TAGS[name]: value for name, value in layout.items() if value}).items():
        directory[tag] = value
    start = file.tell() + file.tell() % 2
    file.seek(start)
    file.write(directory.tobytes(start))
    offset_bytes = len(header) // 2
    file.seek(len(header) - offset_bytes)
    file.write(start.to_bytes(offset_bytes, "little"))


def _tiles(bands: Iterable[Pixels]) -> Iterator[Pixels]:
    """Cut bands into tiles (_TILE_PX, _TILE_PX, C), row by row; tiles at the right and bottom repeat their edge."""
    for rows in _rows_of_tiles(bands):
        for left in range(0, rows.shape[1], _TILE_PX):
            tile = rows[:, left : left + _TILE_PX]
            yield np.pad(tile, ((0, _TILE_PX - tile.shape[0]), (0, _TILE_PX - tile.shape[1]), (0, 0)), mode="edge")


def _rows_of_tiles(bands: Iterable[Pixels]) -> Iterator[Pixels]:
    """Regroup bands to (_TILE_PX, W, C), the last one with fewer rows; each is overwritten by the next."""
    rows: Pixels | None = None
    filled = 0
    for band in bands:
        if rows is None:
            rows = np.empty((_TILE_PX, *band.shape[1:]), band.dtype)
        start = 0
        while start < len(band):
            part = band[start : start + _TILE_PX - filled]
            rows[filled : filled + len(part)] = part
            start, filled = start + len(part), filled + len(part)
            if filled == _TILE_PX:
                yield rows
                filled = 0
    if rows is not None and filled:
        yield rows[:filled]


def _differences(tile: Pixels) -> bytes:
    """Subtract from each pixel the one before it, which compresses better (TIFF 6.0, section 14)."""
    differences = tile.astype(tile.dtype.newbyteorder("<"))
    differences[:, 1:] -= tile[:, :-1]
    return differences.tobytes()


def needed_bytes(width_px: int, pixel_bytes: int) -> int:
    """Memory for one row of tiles."""
    return width_px * _TILE_PX * pixel_bytes
