"""Whatever a caller has - path, bytes, file object, Pillow image, array - as pixels, and back to the type that came.

Bit depth is decided by the file's header or the array's dtype, never by the values. The orientation that EXIF asks for
is applied.

| given            | pixels                          | returned                                    |
|------------------|---------------------------------|---------------------------------------------|
| path, file object| as decoded                      | Pillow image; uint16 array for 16-bit colour|
| bytes, bytearray | as decoded                      | bytes of the same format (PNG for GIF)      |
| Pillow image     | 1 as L, P as RGB(A), CMYK as RGB| Pillow image                                |
| array            | as they are                     | array of the same dtype and dimensions      |
"""

import io
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO, Self, TypeAlias

import numpy as np
import PIL
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from sr_infer.errors import ImageError, SrInferError
from sr_infer.image_io import high_bit_depth, jpeg2000
from sr_infer.image_io.metadata import Metadata, orientation
from sr_infer.image_io.pillow_modes import Pixels, has_pillow_mode, pixels_of, taken_as

ImageInput: TypeAlias = str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO | Image.Image | NDArray[Any]
ImageOutput: TypeAlias = bytes | Image.Image | NDArray[Any]

MAX_PIXELS = 178_956_970
"""Files that claim more pixels are refused unless `max_pixels` says otherwise; the same as Pillow's own limit."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A picture that was read, and what is needed to give the result back in its kind."""

    pixels: Pixels
    metadata: Metadata = field(default=Metadata())
    array_ndim: int | None = None
    """2 or 3 for what came as an array."""
    file_format: str | None = None
    """Pillow's name of the file format, such as "PNG"."""

    @classmethod
    def blank(cls, size_hw: tuple[int, int], mode: str, file_format: str | None) -> Self:
        """A picture to plan with, whose pixels take no memory: of a mode of `pillow_modes.taken_as`, or "RGB;16"."""
        dtype = np.uint16 if mode.endswith(";16") else np.uint8
        channels = len(mode.removesuffix(";16"))
        return cls(pixels=np.broadcast_to(np.zeros((), dtype), (*size_hw, channels)), file_format=file_format)

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
        """Rows [start, stop), all columns."""
        return self.pixels[start:stop]

    @property
    def is_pillow(self) -> bool:
        """Pillow has a mode for these pixels, and the caller gets no array."""
        return self.array_ndim is None and has_pillow_mode(self.channels, self.dtype)


def _accept(blank: Picture) -> None:
    """The check that finds nothing wrong."""


def read(image: ImageInput, *, max_pixels: int = MAX_PIXELS, check: Callable[[Picture], object] = _accept) -> Picture:
    """Read whatever is a picture.

    Args:
        image: a path; encoded bytes; a binary file object; a Pillow image; an array (H, W), (H, W, 1), (H, W, 3) or
            (H, W, 4) of uint8, uint16 or float32 in [0, 1].
        max_pixels: files whose header claims more are refused before decoding.
        check: given what the header tells, as a `Picture.blank`, before anything is decoded; raises to refuse.

    Raises:
        ImageError: it is none of these, is damaged, is too large, or holds NaN.
        SrInferError: as `check` raises.
    """
    if isinstance(image, np.ndarray):
        return _from_array(image)
    if isinstance(image, Image.Image):
        with _decoder_errors(f"this {image.format or 'Pillow'} image"):
            return _from_pillow(image, check)
    if isinstance(image, bytes | bytearray | memoryview):
        return _decode(io.BytesIO(image), "this input", max_pixels, check)
    if isinstance(image, str | os.PathLike):
        try:
            with Path(image).open("rb") as file:
                return _decode(file, str(image), max_pixels, check)
        except SrInferError:
            raise
        except (OSError, ValueError) as error:
            raise ImageError(f"cannot read {image}: {getattr(error, 'strerror', None) or error}") from error
    if hasattr(image, "read"):
        name = str(getattr(image, "name", "this file object"))
        return _decode(io.BytesIO(_content(image, name)), name, max_pixels, check)
    raise ImageError(
        f"expected a path, bytes, a file object, a Pillow image or an array, got {type(image).__name__}; "
        "convert torch tensors with .permute(1, 2, 0).numpy()"
    )


def _content(file: BinaryIO, name: str) -> bytes | bytearray | memoryview:
    try:
        content = file.read()
    except Exception as error:  # of whatever it reads from
        raise ImageError(f"cannot read {name}: {type(error).__name__}: {error}") from error
    if not isinstance(content, bytes | bytearray | memoryview):
        raise ImageError(f"expected {name} to be opened for bytes ('rb'), got {type(content).__name__}")
    return content


def given_back(result: Image.Image | Pixels, picture: Picture) -> Image.Image | NDArray[Any]:
    """A result of `canvas.assembled` as the caller gets it; bytes are left to `sr_infer.image_io.writer`."""
    if picture.array_ndim == 2:
        assert isinstance(result, np.ndarray)
        return result[..., 0]
    if isinstance(result, Image.Image):
        result.info.update(picture.metadata.for_size((result.height, result.width)).info())
    return result


def _from_array(array: NDArray[Any]) -> Picture:
    array = np.asarray(array)  # a matrix has two dimensions for ever
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
    return Picture(pixels=array.reshape(*array.shape[:2], -1), array_ndim=array.ndim)


def _from_pillow(image: Image.Image, check: Callable[[Picture], object]) -> Picture:
    if min(image.size) < 1:
        raise ImageError(f"expected a picture with at least one pixel, got {image.width}x{image.height}")
    check(_blank(image, taken_as(image)))
    metadata = Metadata.of(image)  # before the pixels: once these are loaded, a TIFF's file is no longer read
    pixels, icc_profile = pixels_of(image)
    return Picture(
        pixels=_upright(pixels, orientation(image)),
        metadata=replace(metadata, icc_profile=icc_profile),
        file_format="JPEG" if image.format == "MPO" else image.format,
    )


def _blank(image: Image.Image, mode: str) -> Picture:
    """What is known of an opened image without loading it, which `orientation` does where there is no EXIF."""
    is_turned = "exif" in image.info and orientation(image) >= 5
    return Picture.blank(image.size if is_turned else image.size[::-1], mode, image.format)


def _decode(file: BinaryIO, name: str, max_pixels: int, check: Callable[[Picture], object]) -> Picture:
    with _decoder_errors(name):
        if not file.read(1):
            raise ImageError(f"{name} is empty")
        image, is_deep = high_bit_depth.opened(file)
        with image:
            check_pixels(image.width * image.height, name, max_pixels)
            if image.format == "JPEG2000":
                jpeg2000.note(image, file)
            frames = getattr(image, "n_frames", 1)
            if frames > 1 and image.format != "MPO":
                _log.warning("%s has %d frames; only the first is used", name, frames)
            if not is_deep:
                return _from_pillow(image, check)
            check(_blank(image, high_bit_depth.mode(image)))
            file.seek(0)
            pixels = _upright(high_bit_depth.decode(file.read(), name, image), orientation(image))
            return Picture(pixels=pixels, metadata=Metadata.of(image), file_format=image.format)


@contextmanager
def _decoder_errors(name: str) -> Iterator[None]:
    """The many errors that decoders raise on damaged files, as ours."""
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


def check_pixels(count: int, name: str, max_pixels: int) -> None:
    """Raises ImageError for a file with more pixels than allowed."""
    if count > max_pixels:
        raise ImageError(
            f"{name} has {count / 1e6:.0f} megapixels, max_pixels allows {max_pixels / 1e6:.0f}; "
            "raise it if you trust the file"
        )


def _upright(pixels: Pixels, exif_orientation: int) -> Pixels:
    """Pixels turned as the EXIF orientation, 1 to 8, asks for."""
    if exif_orientation >= 5:
        pixels = pixels.transpose(1, 0, 2)
    if exif_orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if exif_orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return pixels
