"""Read TIFF files that are too large for memory, one band of rows at a time. Needs tifffile, from `sr-infer[hdr]`."""

import logging
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, Self

import numpy as np
from PIL import Image

from sr_infer.errors import ImageError
from sr_infer.image_io.left_out import log_parts_left_out, tiff_parts_left_out
from sr_infer.image_io.metadata import Metadata, orientation
from sr_infer.image_io.pillow_modes import Pixels
from sr_infer.image_io.reader import Layout

_log = logging.getLogger(__name__)

_MAX_SEGMENT_PX = 1024
"""Largest side of tiles and largest height of strips; larger ones would decode much of the image for one band."""


@dataclass(frozen=True)
class TiffRows:
    """The first page of an open TIFF file, decoded row by row on demand; a source of `sr_infer.tiling.tile_runner`."""

    layout: Layout
    metadata: Metadata
    _file: Any
    path: Path

    @classmethod
    def open(cls, path: Path, *, min_pixels: int) -> Self | None:
        """Open a TIFF file of at least `min_pixels` that can be read in bands; None for any other file.

        It can be read in bands if it is upright grey or RGB of 8 or 16 bits, interleaved, in tiles or strips that are
        not too large. Errors in other files are reported when they are read whole.
        """
        try:
            import tifffile
        except ModuleNotFoundError:
            return None
        try:
            with Image.open(path) as image:
                if image.format != "TIFF" or image.width * image.height < min_pixels:
                    return None
                metadata, upright = Metadata.of(image), orientation(image) == 1
                parts = list(tiff_parts_left_out(image))
            if not upright:
                return None
            file = tifffile.TiffFile(path)
            try:
                page = file.pages.first
                is_suitable = len(file.pages) == 1 and _can_be_read_in_bands(page, tifffile)
            except BaseException:
                file.close()
                raise
        except Exception as error:  # Pillow and tifffile raise whatever a damaged file makes them raise
            _log.debug("%s is read whole, not in bands: %s", path, error)
            return None
        if not is_suitable:
            file.close()
            return None
        log_parts_left_out(str(path), parts)
        layout = Layout((page.imagelength, page.imagewidth), page.samplesperpixel, np.dtype(page.dtype))
        return cls(layout, metadata, file, path)

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
        height = _segment_height(page)
        across = -(-self.layout.size_hw[1] // page.tilewidth) if page.is_tiled else 1
        result = np.zeros((stop - start, self.layout.size_hw[1], self.layout.channels), self.layout.dtype)
        for index in range(start // height * across, -(-stop // height) * across):
            try:
                self._file.filehandle.seek(page.dataoffsets[index])
                data = self._file.filehandle.read(page.databytecounts[index])
                segment, (_, _, top, left, _), _ = page.decode(data, index, jpegtables=page.jpegtables)
            except Exception as error:
                raise ImageError(f"{self.path} is damaged or incomplete ({error})") from error
            if segment is None:
                continue
            pixels = segment[0, max(start - top, 0) : stop - top, : self.layout.size_hw[1] - left]
            first = max(top - start, 0)
            result[first : first + pixels.shape[0], left : left + pixels.shape[1]] = pixels
        return result

    def needed_bytes(self, window_height_px: int) -> int:
        """Memory for reading bands for windows of this height."""
        rows = 2 * window_height_px + 2 * _segment_height(self._file.pages.first)
        return self.layout.size_hw[1] * self.layout.channels * self.layout.dtype.itemsize * rows


def _can_be_read_in_bands(page: Any, tifffile: ModuleType) -> bool:
    return (
        page.planarconfig == tifffile.PLANARCONFIG.CONTIG
        and page.photometric in (tifffile.PHOTOMETRIC.RGB, tifffile.PHOTOMETRIC.MINISBLACK)
        and page.extrasamples in ((), (tifffile.EXTRASAMPLE.UNASSALPHA,))
        and page.dtype in (np.uint8, np.uint16)
        and page.bitspersample == 8 * page.dtype.itemsize
        and page.samplesperpixel <= 4
        and 1 <= _segment_height(page) <= _MAX_SEGMENT_PX
        and (not page.is_tiled or 1 <= page.tilewidth <= _MAX_SEGMENT_PX)
    )


def _segment_height(page: Any) -> int:
    return int(page.tilelength if page.is_tiled else page.rowsperstrip)
