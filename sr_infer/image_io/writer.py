"""Write pixels to image files with their metadata. A file appears whole or not at all."""

import io
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from sr_infer.atomic_file import open_atomic
from sr_infer.errors import OptionError, OutputError
from sr_infer.image_io import formats, high_bit_depth, jpeg2000, tiff_writer
from sr_infer.image_io.formats import DEFAULT_QUALITY, JPEG2000, TIFF, Format
from sr_infer.image_io.metadata import Metadata
from sr_infer.image_io.pillow_modes import Pixels, has_pillow_mode, pillow_image, pixels_of
from sr_infer.image_io.png_chunks import insert_colour

_BAND_PX = 256
"""Rows that are handed to the TIFF writer at once."""
_MAX_CLASSIC_TIFF_BYTES = 4_000_000_000
"""Images with more bytes are written as BigTIFF."""


def format_of_path(path: Path) -> Format:
    """The format that a file name's extension stands for.

    Raises:
        OptionError: no files with this extension are written.
    """
    found = formats.by_suffix(path)
    if found is None or not found.is_written:
        raise OptionError(f"expected a file name such as out.png, out.jpg, out.tif or out.webp, got {path.name!r}")
    return found


def format_of_bytes(of_input: Format, extension: str | None) -> Format:
    """The format in which encoded bytes are returned.

    Args:
        of_input: format of the input.
        extension: extension of another format, such as "png"; None keeps the input's format where possible.

    Raises:
        OptionError: no files with this extension are written.
    """
    if not isinstance(extension, str | None):
        raise OptionError(f'expected an extension such as "png", got {extension!r}')
    if extension is not None:
        return format_of_path(Path(f"out.{extension.removeprefix('.')}"))
    return formats.returned_format(of_input)


@dataclass(frozen=True, kw_only=True)
class Encoding:
    """How a result will be encoded.

    Raises:
        OptionError: the quality is out of range.
    """

    file_format: Format
    quality: int = DEFAULT_QUALITY
    """Quality of JPEG, WebP and AVIF, 1 to 100."""
    in_memory: bool = False
    """The encoded bytes are kept in memory; otherwise they are written to a file."""

    def __post_init__(self) -> None:
        _check_quality(self.quality)

    def bytes_per_px(self, size_hw: tuple[int, int], channels: int, dtype: np.dtype[Any]) -> float:
        """Memory that encoding takes beside the image, for each of its pixels.

        Args:
            size_hw: height and width of the image in px.
            channels: 1 to 4.
            dtype: uint8 or uint16.

        Raises:
            OutputError: the format cannot hold such an image.
        """
        row, bits = self.file_format, 8 * dtype.itemsize
        _check_holds(row, size_hw, channels, bits)
        if bits > 8 and channels > 1 and row != TIFF:
            high_bit_depth.import_encoders()
        encoded_bytes = 1.1 * channels * dtype.itemsize
        return row.encoder_bytes_per_px + encoded_bytes * ((bits in row.buffered_bits) + self.in_memory)


def write(
    image: Image.Image | Pixels,
    path: Path,
    metadata: Metadata,
    *,
    file_format: Format | None = None,
    quality: int = DEFAULT_QUALITY,
    like: Path | None = None,
) -> None:
    """Write an image to a file.

    Args:
        image: a Pillow image or pixels (H, W, C).
        path: the file; it is replaced only when the new one is complete.
        metadata: metadata of the LR image; its size tags are rewritten.
        file_format: format of the file; None takes the one that its extension names.
        quality: quality of lossy formats, 1 to 100.
        like: a new file gets no right that this file does not have, so that results are as private as their sources.

    Raises:
        OptionError: the extension or the quality is out of range.
        OutputError: the format cannot hold such pixels, or the file cannot be written.
    """
    file_format = file_format or format_of_path(path)
    with open_atomic(path, like=like) as file:
        _save(image, file, file_format, metadata, quality)


def encode(
    image: Image.Image | Pixels, file_format: Format, metadata: Metadata, *, quality: int = DEFAULT_QUALITY
) -> bytes:
    """Encode an image to the bytes of a file.

    Raises:
        OptionError: the quality is out of range.
        OutputError: the format cannot hold such pixels.
    """
    buffer = io.BytesIO()
    _save(image, buffer, file_format, metadata, quality)
    return buffer.getvalue()


def _check_quality(quality: int) -> None:
    if isinstance(quality, bool) or not (isinstance(quality, Integral) and 1 <= quality <= 100):
        raise OptionError(f"expected a quality from 1 to 100, got {quality!r}")


def _check_holds(row: Format, size_hw: tuple[int, int], channels: int, bits: int) -> None:
    """Raises OutputError if files of a format cannot hold an image."""
    if row.max_side_px is not None and max(size_hw) > row.max_side_px:
        raise OutputError(
            f"{row.name} files hold at most {row.max_side_px} px a side, and the result has {size_hw[1]}x{size_hw[0]} "
            "px; choose .png or .tif"
        )
    if channels in (row.channels_8_bit if bits == 8 else row.channels_16_bit):
        return
    if bits == 8 and channels in (2, 4):
        raise OutputError(f"{row.name} files cannot hold transparency; choose .png, .webp or .tif")
    if bits == 8:
        raise OutputError(f"{row.name} files cannot hold grey; choose .png or .tif")
    what = "16-bit grey" if channels == 1 else "colour of 16 bits per channel"
    raise OutputError(f"{row.name} files cannot hold {what}; choose .png or .tif")


def _save(image: Image.Image | Pixels, file: BinaryIO, row: Format, metadata: Metadata, quality: int) -> None:
    _check_quality(quality)
    if isinstance(image, Image.Image):
        size_hw, channels = image.size[::-1], len(image.getbands())
        bits = 16 if image.mode == "I;16" else 8
    else:
        size_hw, channels, bits = (image.shape[0], image.shape[1]), image.shape[2], 8 * image.dtype.itemsize
    _check_holds(row, size_hw, channels, bits)
    metadata = metadata.for_size(size_hw)
    metadata.log_lost_colour(row)
    if row == TIFF:
        _save_tiff(image, file, size_hw, metadata)
    elif isinstance(image, Image.Image):
        _save_with_pillow(image, file, row, metadata, quality)
    elif has_pillow_mode(channels, image.dtype):
        _save_with_pillow(pillow_image(image), file, row, metadata, quality)
    else:
        high_bit_depth.write(image, file, row, metadata)


def _save_with_pillow(image: Image.Image, file: BinaryIO, row: Format, metadata: Metadata, quality: int) -> None:
    options = metadata.save_options(row) | dict(row.save_options)
    if row.has_quality:
        options["quality"] = int(quality)
    try:
        if row == JPEG2000:
            image.save(buffer := io.BytesIO(), row.name, **options)
            jpeg2000.write(buffer.getbuffer(), file, metadata)
        else:
            colour = metadata.png_colour if row.holds_png_colour else ()
            image.save(insert_colour(file, colour), row.name, **options)
    except (OSError, ValueError, SystemError, RuntimeError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise OutputError(f"cannot write this picture as {row.name} ({error}); PNG and TIFF hold all kinds") from error


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
        is_big=size_hw[0] * size_hw[1] * first[0, 0].nbytes > _MAX_CLASSIC_TIFF_BYTES,
    )
