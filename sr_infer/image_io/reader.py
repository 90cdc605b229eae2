"""Read images from paths, bytes, file objects, Pillow images and arrays, and return results in the caller's type.

The file's header or the array's dtype decides the bit depth; pixel values never do. The EXIF orientation is applied.

| input             | pixels                               | result                                        |
|-------------------|--------------------------------------|-----------------------------------------------|
| path, file object | as decoded                           | Pillow image; uint16 array for 16-bit colour  |
| bytes, bytearray  | as decoded                           | bytes of the same format (PNG for GIF)        |
| Pillow image      | 1 as L, P as RGB or RGBA, CMYK as RGB| Pillow image                                  |
| array             | unchanged                            | array of the same dtype and dimensions        |
"""

import io
import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self, TypeAlias

import numpy as np
import PIL
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from sr_infer import memory
from sr_infer.errors import ImageError, SrInferError
from sr_infer.image_io import formats, high_bit_depth, jpeg2000, left_out, png_chunks
from sr_infer.image_io.codec import NO_CODEC, Codec, read_codec
from sr_infer.image_io.formats import Format
from sr_infer.image_io.metadata import Metadata, orientation
from sr_infer.image_io.pillow_modes import Pixels, has_pillow_mode, pixel_mode, pixels_of

ImageInput: TypeAlias = str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO | Image.Image | NDArray[Any]
ImageOutput: TypeAlias = bytes | Image.Image | NDArray[Any]

MAX_PIXELS = 178_956_970
"""Files that claim more pixels are refused unless `max_pixels` says otherwise; the same as Pillow's own limit."""

_HEAD_BYTES = 1 << 20
"""Bytes of a stream that are read before its header must be known, unless its format keeps the header elsewhere."""
_CHUNK_BYTES = 1 << 20
_MAX_BYTES_PER_PX = 16
"""More bytes than any encoder writes for a pixel: four channels of 32 bits."""
_MAX_METADATA_BYTES = 64 << 20
"""Room for profiles, thumbnails and other blocks beside the pixels of a stream."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Layout:
    """Size and type of an image's pixels."""

    size_hw: tuple[int, int]
    """Height and width in px."""
    channels: int
    """1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha."""
    dtype: np.dtype[Any]
    """uint8, uint16 or float32."""
    is_array: bool = False
    """The caller passed an array and gets one back."""

    @property
    def is_pillow(self) -> bool:
        """The caller gets a Pillow image, which can hold these pixels."""
        return not self.is_array and has_pillow_mode(self.channels, self.dtype)


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A decoded image."""

    pixels: Pixels
    metadata: Metadata = field(default=Metadata())
    is_array: bool = False
    """The caller passed an array."""

    @property
    def layout(self) -> Layout:
        return Layout(self.size_hw, self.channels, self.dtype, self.is_array)

    @property
    def size_hw(self) -> tuple[int, int]:
        return self.pixels.shape[0], self.pixels.shape[1]

    @property
    def channels(self) -> int:
        return int(self.pixels.shape[2])

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.pixels.dtype

    def rows(self, start: int, stop: int) -> Pixels:
        """Rows [start, stop), all columns: (stop - start, W, C)."""
        return self.pixels[start:stop]


@dataclass(frozen=True)
class Header:
    """Facts about an image before it is decoded. Close it, or use it in a `with` statement."""

    layout: Layout
    """Layout that the header states. The decoded picture differs in rare files, such as those that state their
    orientation after the pixels."""
    file_format: Format
    _decode: Callable[[], Picture]
    codec: Codec = NO_CODEC
    _files: ExitStack = field(default_factory=ExitStack)

    def decode(self) -> Picture:
        """Decode the pixels. May be called once.

        Raises:
            ImageError: the file is damaged or needs an extra that is not installed.
        """
        return self._decode()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._files.close()


def open_image(image: ImageInput, *, max_pixels: int = MAX_PIXELS) -> Header:
    """Read the header of an image.

    Args:
        image: a path; encoded bytes; a binary file object; a Pillow image; an array (H, W), (H, W, 1), (H, W, 3) or
            (H, W, 4) of uint8, uint16 or float32 in [0, 1].
        max_pixels: files whose header claims more pixels are refused.

    Raises:
        ImageError: it is none of these, is damaged, is too large, or holds NaN.
    """
    masked_arrays = sys.modules.get("numpy.ma")  # importing it takes long, and without it there is no masked array
    if masked_arrays is not None and isinstance(image, masked_arrays.MaskedArray):
        raise ImageError("expected an array without a mask, got a masked array; fill the masked pixels with .filled()")
    if isinstance(image, np.ndarray):
        picture = _from_array(image)
        return Header(picture.layout, formats.by_name(None), lambda: picture)
    if isinstance(image, Image.Image):
        name = f"this {image.format or 'Pillow'} image"
        with _decoder_errors(name):
            return _pillow_header(image, name)
    if isinstance(image, bytes | bytearray | memoryview):
        return _file_header(io.BytesIO(_contiguous(image)), "this input", max_pixels)
    if isinstance(image, str | os.PathLike):
        if not os.fspath(image):
            raise ImageError("expected the path of an image, got an empty text")
        file = _open_path(Path(image))
        if not file.seekable():  # a FIFO or a terminal
            with file:
                content = read_bounded(file, str(image), max_pixels=max_pixels, max_bytes=memory.budget_bytes(None))
            file = io.BytesIO(content)
        return _file_header(file, str(image), max_pixels)
    if hasattr(image, "read"):
        name = str(getattr(image, "name", "this file object"))
        content = read_bounded(image, name, max_pixels=max_pixels, max_bytes=memory.budget_bytes(None))
        return _file_header(io.BytesIO(content), name, max_pixels)
    raise ImageError(
        f"expected a path, bytes, a file object, a Pillow image or an array, got {type(image).__name__}; "
        "convert torch tensors with .permute(1, 2, 0).numpy()"
    )


def read(image: ImageInput, *, max_pixels: int = MAX_PIXELS) -> Picture:
    """Read and decode an image; arguments and errors as in `open_image`."""
    with open_image(image, max_pixels=max_pixels) as header:
        return header.decode()


def to_caller_type(result: Image.Image | Pixels, image: ImageInput, metadata: Metadata) -> Image.Image | NDArray[Any]:
    """Return a result in the type of the caller's image; `sr_infer.image_io.writer` encodes bytes.

    Args:
        result: a Pillow image, or pixels (H, W, C).
        image: what the caller passed.
        metadata: metadata of that image.
    """
    if isinstance(image, np.ndarray) and image.ndim == 2:
        assert isinstance(result, np.ndarray)
        return result[..., 0]
    if isinstance(result, Image.Image):
        result.info.update(metadata.for_size((result.height, result.width)).info())
    return result


def check_pixels(count: int, name: str, max_pixels: int) -> None:
    """Raises ImageError for a file with more pixels than allowed."""
    if count > max_pixels:
        raise ImageError(
            f"{name} has {_pixel_count(count)}, max_pixels allows {_pixel_count(max_pixels)}; "
            "raise it if you trust the file"
        )


def _pixel_count(count: int) -> str:
    return f"{count} px" if count < 1_000_000 else f"{count / 1e6:.3g} megapixels"


def read_bounded(file: BinaryIO, name: str, *, max_pixels: int, max_bytes: int) -> bytes:
    """Read an encoded image from a stream that may never end. The header is looked at first.

    Args:
        file: opened for reading bytes.
        name: what errors call it.
        max_pixels: images whose header claims more pixels are refused.
        max_bytes: more is never read.

    Raises:
        ImageError: the stream cannot be read, does not begin like an image, or is larger than such an image can be.
    """
    head = _read_chunk(file, name, _HEAD_BYTES)
    with _decoder_errors(name):
        limit = max_bytes
        try:
            with Image.open(io.BytesIO(head)) as image:
                check_pixels(image.width * image.height, name, max_pixels)
                limit = min(max_bytes, image.width * image.height * _MAX_BYTES_PER_PX + _MAX_METADATA_BYTES)
        except UnidentifiedImageError:
            if len(head) == _HEAD_BYTES and not _may_continue(head):
                raise
    chunks, size = [head], len(head)
    while chunk := _read_chunk(file, name, _CHUNK_BYTES):
        chunks.append(chunk)
        size += len(chunk)
        if size > limit:
            raise ImageError(
                f"{name} goes on after {memory.format_bytes(limit)}, more than its image can have; "
                "give the path of a file, or more max_memory"
            )
    return b"".join(chunks)


def _read_chunk(file: BinaryIO, name: str, size: int) -> bytes:
    """Read until `size` bytes are there or the stream ends."""
    chunks, missing = [], size
    while missing:
        try:
            chunk = file.read(missing)
        except Exception as error:  # a file object may raise anything
            raise ImageError(f"cannot read {name}: {type(error).__name__}: {error}") from error
        if not isinstance(chunk, bytes | bytearray | memoryview):
            raise ImageError(f"expected {name} to be opened for bytes ('rb'), got {type(chunk).__name__}")
        if not chunk:
            break
        chunks.append(bytes(chunk))
        missing -= len(chunk)
    return b"".join(chunks)


def _may_continue(head: bytes) -> bool:
    """Whether a reader of Pillow knows the first bytes, so that the header may be complete further on."""
    Image.init()
    return any(accept is not None and accept(head[:16]) is True for _, accept in Image.OPEN.values())


def _contiguous(data: bytes | bytearray | memoryview) -> bytes | bytearray | memoryview:
    if not isinstance(data, memoryview):
        return data
    if data.ndim != 1 or data.itemsize != 1:
        raise ImageError(
            f"expected the bytes of an image file, got a memoryview of shape {data.shape} and format {data.format!r}; "
            "pass an array as an array"
        )
    return data if data.contiguous else data.tobytes()


def _open_path(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except (OSError, ValueError) as error:
        raise ImageError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from error


def _from_array(array: NDArray[Any]) -> Picture:
    array = np.asarray(array)  # np.matrix always keeps two dimensions
    if array.ndim not in (2, 3) or array.size == 0 or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)):
        raise ImageError(
            f"expected an array (H, W), (H, W, 1), (H, W, 3) or (H, W, 4) with at least one pixel, got {array.shape}"
        )
    if array.dtype.newbyteorder("=") not in (np.uint8, np.uint16, np.float32):
        raise ImageError(f"expected uint8, uint16 or float32 in [0, 1], got {array.dtype}; convert it first")
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    if array.dtype == np.float32:
        low, high = float(array.min()), float(array.max())
        if not (low >= -1e-3 and high <= 1 + 1e-3):
            raise ImageError(f"expected float32 in [0, 1], got values from {low:g} to {high:g}; scale them first")
    return Picture(pixels=array.reshape(*array.shape[:2], -1), is_array=True)


def _pillow_header(image: Image.Image, name: str) -> Header:
    if min(image.size) < 1:
        raise ImageError(f"expected a picture with at least one pixel, got {image.width}x{image.height}")
    mode = pixel_mode(image)
    dtype = np.dtype(np.uint16 if mode == "I;16" else np.uint8)
    channels = 1 if mode == "I;16" else len(mode)

    def decode() -> Picture:
        with _decoder_errors(name):
            metadata = Metadata.of(image)  # before the pixels: Pillow closes a TIFF once it has loaded them
            pixels, icc_profile = pixels_of(image)
            return Picture(
                pixels=_upright(pixels, orientation(image)), metadata=replace(metadata, icc_profile=icc_profile)
            )

    layout = Layout(_upright_size_hw(image), channels, dtype)
    return Header(layout, formats.by_name(image.format), decode, read_codec(image))


def _file_header(file: BinaryIO, name: str, max_pixels: int) -> Header:
    with ExitStack() as files:
        files.enter_context(file)
        with _decoder_errors(name):
            if not file.read(1):
                raise ImageError(f"{name} is empty")
            left_out.refuse_extra_bands(file, name)
            image, is_deep = high_bit_depth.open_image(file)
            files.callback(image.close)  # frees the pixels that Pillow decoded
            check_pixels(image.width * image.height, name, max_pixels)
            if image.format == "JPEG2000":
                jpeg2000.read_into_info(image, file)
            if image.format == "PNG":
                png_chunks.read_into_info(image, file)
            left_out.log_parts_of_file(image, file, name)
            frames = getattr(image, "n_frames", 1)
            if frames > 1 and image.format != "MPO":
                _log.warning("%s has %d frames; only the first is used", name, frames)
            header = _deep_header(file, image, name) if is_deep else _pillow_header(image, name)
        return replace(header, _files=files.pop_all())


def _deep_header(file: BinaryIO, image: Image.Image, name: str) -> Header:
    """The header of a file with 9 to 16 bits per channel, which Pillow would reduce to 8."""

    def decode() -> Picture:
        with _decoder_errors(name):
            file.seek(0)
            pixels = high_bit_depth.decode(file.read(), name, image)
            return Picture(pixels=_upright(pixels, orientation(image)), metadata=Metadata.of(image))

    layout = Layout(_upright_size_hw(image), high_bit_depth.channel_count(image), np.dtype(np.uint16))
    return Header(layout, formats.by_name(image.format), decode)


@contextmanager
def _decoder_errors(name: str) -> Iterator[None]:
    """Convert the many errors of decoders on damaged files to ImageError."""
    try:
        yield
    except SrInferError:
        raise
    except Image.DecompressionBombError as error:
        raise ImageError(
            f"{name} claims more pixels than Pillow allows ({error}); "
            "if you trust it, raise both PIL.Image.MAX_IMAGE_PIXELS and max_pixels"
        ) from error
    except UnidentifiedImageError as error:
        raise ImageError(
            f"{name} is not a picture that Pillow {PIL.__version__} can read; if it opens elsewhere, convert it to PNG"
        ) from error
    except Exception as error:
        reason = error if isinstance(error, OSError) else f"{type(error).__name__}: {error}"
        raise ImageError(f"{name} is damaged or incomplete ({reason})") from error


def _upright_size_hw(image: Image.Image) -> tuple[int, int]:
    """Height and width after rotation, as the header states them; without EXIF, `orientation` would load the pixels."""
    is_transposed = "exif" in image.info and orientation(image) >= 5
    return image.size if is_transposed else (image.height, image.width)


def _upright(pixels: Pixels, exif_orientation: int) -> Pixels:
    """Rotate and flip pixels as the EXIF orientation, 1 to 8, asks for."""
    if exif_orientation >= 5:
        pixels = pixels.transpose(1, 0, 2)
    if exif_orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if exif_orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return pixels
