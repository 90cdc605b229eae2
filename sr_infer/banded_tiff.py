"""TIFF files too large for memory, read and written a band of rows at a time. Needs tifffile, from `sr-infer[hdr]`.

What is written is a tiled BigTIFF.
"""

import logging
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from sr_infer.errors import ImageError
from sr_infer.metadata import DIRECTORIES, Metadata, orientation
from sr_infer.pillow_modes import Pixels

_log = logging.getLogger(__name__)

_TILE_PX = 256
_BIG_HEADER_BYTES = 16
_OFFSET_OF_FIRST_DIRECTORY = 8


@dataclass(frozen=True)
class TiffRows:
    """The first page of an open TIFF file, decoded where it is asked for; a source of `sr_infer.blocks`."""

    size_hw: tuple[int, int]
    channels: int
    dtype: np.dtype[Any]
    metadata: Metadata
    _file: Any
    _name: str

    @classmethod
    def open(cls, path: Path, *, least_px: int) -> Self | None:
        """The file, if it is a TIFF of at least `least_px` that can be read in bands.

        That is upright grey or RGB of 8 or 16 bits, interleaved. Whatever is wrong with other files is found when they
        are read whole.
        """
        try:
            import tifffile
        except ModuleNotFoundError:
            return None
        try:
            with Image.open(path) as image:
                if image.format != "TIFF" or image.width * image.height < least_px:
                    return None
                metadata, upright = Metadata.of(image), orientation(image) == 1
            file = tifffile.TiffFile(path)
        except Exception as error:  # Pillow and tifffile raise whatever a damaged file makes them raise
            _log.debug("%s is read whole, not in bands: %s", path, error)
            return None
        page = file.pages.first
        if (
            not upright
            or len(file.pages) != 1
            or page.planarconfig != tifffile.PLANARCONFIG.CONTIG
            or page.photometric not in (tifffile.PHOTOMETRIC.RGB, tifffile.PHOTOMETRIC.MINISBLACK)
            or page.extrasamples not in ((), (tifffile.EXTRASAMPLE.UNASSALPHA,))
            or page.dtype not in (np.uint8, np.uint16)
            or page.samplesperpixel > 4
        ):
            file.close()
            return None
        return cls(
            (page.imagelength, page.imagewidth), page.samplesperpixel, np.dtype(page.dtype), metadata, file, str(path)
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def rows(self, start: int, stop: int) -> Pixels:
        """Rows [start, stop), all columns: (stop - start, W, C).

        Raises:
            ImageError: this part of the file is damaged.
        """
        page = self._file.pages.first
        height = page.tilelength if page.is_tiled else page.rowsperstrip
        across = -(-self.size_hw[1] // page.tilewidth) if page.is_tiled else 1
        result = np.zeros((stop - start, self.size_hw[1], self.channels), self.dtype)
        for index in range(start // height * across, -(-stop // height) * across):
            try:
                self._file.filehandle.seek(page.dataoffsets[index])
                data = self._file.filehandle.read(page.databytecounts[index])
                segment, (_, _, top, left, _), _ = page.decode(data, index, jpegtables=page.jpegtables)
            except Exception as error:
                raise ImageError(f"{self._name} is damaged or incomplete ({error})") from error
            if segment is None:
                continue
            pixels = segment[0, max(start - top, 0) : stop - top, : self.size_hw[1] - left]
            first = max(top - start, 0)
            result[first : first + pixels.shape[0], left : left + pixels.shape[1]] = pixels
        return result


def write(
    path: Path,
    bands: Iterable[Pixels],
    *,
    size_hw: tuple[int, int],
    channels: int,
    dtype: np.dtype[Any],
    metadata: Metadata,
) -> None:
    """Write a tiled BigTIFF, deflated.

    Args:
        path: the new file.
        bands: the picture from top to bottom, each (rows, W, C) of any number of rows.
        size_hw: of the whole picture.
        channels, dtype: of the pixels.
        metadata: of the LR picture; size tags are rewritten.
    """
    import tifffile

    metadata = metadata.for_size(size_hw)
    has_alpha = channels in (2, 4)
    with tifffile.TiffWriter(path, bigtiff=True) as file:
        file.write(
            _tiles(bands),
            shape=(*size_hw, channels) if channels > 1 else size_hw,
            dtype=dtype,
            tile=(_TILE_PX, _TILE_PX),
            photometric="rgb" if channels > 2 else "minisblack",
            extrasamples=["unassalpha"] if has_alpha else None,
            planarconfig="contig" if channels > 1 else None,
            compression="zlib",
            predictor=True,
            iccprofile=metadata.icc_profile,
            resolution=metadata.dpi,
            resolutionunit="inch" if metadata.dpi else None,
            software=False,
            metadata=None,
            maxworkers=1,
        )
    _describe(path, metadata)


def _describe(path: Path, metadata: Metadata) -> None:
    """Replace the directory of a BigTIFF by one that also describes the picture; its own directories move along."""
    tags = metadata.tiff_tags()
    with path.open("r+b") as file:
        directory = ImageFileDirectory_v2(file.read(_BIG_HEADER_BYTES))
        file.seek(directory.next)
        directory.load(file)
        dict(directory)  # decodes the tags, which are written only then
        for tag, value in tags.items():
            if tag not in DIRECTORIES:
                directory[tag] = value
            elif own := tags.get_ifd(tag):
                directory[tag] = dict(own)
        end = file.seek(0, os.SEEK_END)
        file.write(bytes(end % 2) + directory.tobytes(end + end % 2))
        file.seek(_OFFSET_OF_FIRST_DIRECTORY)
        file.write((end + end % 2).to_bytes(8, sys.byteorder))


def _tiles(bands: Iterable[Pixels]) -> Iterator[Pixels]:
    """The bands cut into tiles, row by row; those at the right and bottom may be smaller."""
    waiting: list[Pixels] = []
    for band in bands:
        waiting.append(band)
        while sum(len(rows) for rows in waiting) >= _TILE_PX:
            joined = np.concatenate(waiting)
            yield from _tile_row(joined[:_TILE_PX])
            waiting = [joined[_TILE_PX:].copy()]
    rest = np.concatenate(waiting)
    if len(rest):
        yield from _tile_row(rest)


def _tile_row(rows: Pixels) -> Iterator[Pixels]:
    for left in range(0, rows.shape[1], _TILE_PX):
        tile = rows[:, left : left + _TILE_PX]
        yield tile[..., 0] if tile.shape[2] == 1 else tile


def needed_bytes(source: TiffRows, width_px: int, window_height_px: int) -> int:
    """Memory for reading bands for windows of this height, and for writing tiles of a result of this width."""
    pixel = source.channels * source.dtype.itemsize
    return 2 * pixel * (source.size_hw[1] * window_height_px + width_px * _TILE_PX)
