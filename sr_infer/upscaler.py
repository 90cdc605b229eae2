"""`Upscaler`: one model with options, for images in memory, encoded bytes and files. `upscale`: all in one call."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar, overload

from numpy.typing import NDArray
from PIL import Image

from sr_infer import atomic_file, model_zoo, pipeline
from sr_infer.choose_model import AUTO, CLEAN_MODELS, choose_model, choose_scale
from sr_infer.engine import session
from sr_infer.errors import OutputError
from sr_infer.image_io import reader, writer
from sr_infer.image_io.formats import DEFAULT_QUALITY, TIFF
from sr_infer.image_io.pillow_modes import Pixels
from sr_infer.image_io.reader import MAX_PIXELS, Header, ImageInput, ImageOutput, Picture
from sr_infer.image_io.tiff_reader import TiffRows
from sr_infer.image_io.writer import Encoding
from sr_infer.model_card import ModelCard
from sr_infer.options import Alpha, Edges, Halo, Options, OutputSize
from sr_infer.tiling.tile_runner import Progress

SameType = TypeVar("SameType", bytes, Image.Image, NDArray[Any])
"""Input types that are returned as the same type."""
_P = ParamSpec("_P")

_log = logging.getLogger(__name__)

_BANDED_PIXELS = 16_000_000
"""TIFF files with more pixels are read and written in bands of rows."""


@dataclass(frozen=True)
class Upscaler(Options):
    """A model with options. It loads the network when it is first used, and is safe to call from several threads and
    after a fork.

        upscaler = sr_infer.Upscaler("srpn-lite-x4", max_memory="512MB")
        for path in paths:
            upscaler.upscale_file(path, path.with_suffix(".png"))

    Args:
        model: name of a shipped model, "auto", or path of an .onnx file, which is stored as an absolute path.
        tile, halo, max_memory, max_pixels, threads, alpha, edges, ensemble: as in `sr_infer.upscale`.

    Raises:
        OptionError: an option is out of range.
        ModelNotFoundError: no such model.
    """

    model: str | PathLike[str] = model_zoo.DEFAULT_MODEL

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.model == AUTO:
            return
        path = model_zoo.find(self.model)
        if path.parent != model_zoo.MODELS_FOLDER:
            object.__setattr__(self, "model", path.absolute())

    @property
    def _path(self) -> Path:
        """File of the model; it is looked up again on a machine to which an upscaler is sent. For "auto", the clean
        model of the largest scale."""
        return model_zoo.find(CLEAN_MODELS[max(CLEAN_MODELS)] if self.model == AUTO else self.model)

    @property
    def card(self) -> ModelCard:
        """Facts about the model.

        Raises:
            ModelError: the file is not a super-resolution network that can be run.
        """
        return session.shared(self._path, threads=1).card

    def load(self) -> None:
        """Load the network now rather than in the first call.

        Raises:
            ModelError: as in `card`.
        """
        session.shared(self._path, threads=1)

    @overload
    def __call__(
        self,
        image: SameType,
        *,
        scale: float | None = None,
        width: int | None = None,
        height: int | None = None,
        progress: Progress | None = None,
    ) -> SameType: ...
    @overload
    def __call__(
        self,
        image: ImageInput,
        *,
        scale: float | None = None,
        width: int | None = None,
        height: int | None = None,
        progress: Progress | None = None,
    ) -> ImageOutput: ...
    def __call__(
        self,
        image: ImageInput,
        *,
        scale: float | None = None,
        width: int | None = None,
        height: int | None = None,
        progress: Progress | None = None,
    ) -> ImageOutput:
        """Upscale an image; arguments, result and errors as in `sr_infer.upscale`."""
        if isinstance(image, bytes | bytearray | memoryview):
            return self.upscale_bytes(image, scale=scale, width=width, height=height, progress=progress)
        output_size = OutputSize(scale=scale, width=width, height=height)
        header = reader.open_image(image, max_pixels=self.max_pixels)
        picture, result = self._upscale(header, output_size, None, progress)
        return reader.to_caller_type(result, image, picture.metadata)

    def upscale_file(
        self,
        source: str | PathLike[str],
        target: str | PathLike[str],
        *,
        scale: float | None = None,
        width: int | None = None,
        height: int | None = None,
        quality: int = DEFAULT_QUALITY,
        overwrite_source: bool = False,
        progress: Progress | None = None,
    ) -> None:
        """Upscale an image file to another file and keep its metadata.

        Args:
            source: an image file.
            target: file of the result. Its extension names the format. An existing file is replaced when the new one is
                complete, and keeps its mode and owner. Links are followed; FIFOs and devices are written as streams,
                without an extension in the format of the source.
            scale, width, height, progress: as in `sr_infer.upscale`.
            quality: quality of lossy formats, 1 to 100.
            overwrite_source: allow that the target is the source itself.

        Raises:
            OutputError: the result cannot be written, or the target is the source.
            SrInferError: as in `sr_infer.upscale`.
        """
        source, target = Path(source), Path(target)
        is_stream = atomic_file.is_stream(target)
        file_format = None if is_stream and not target.suffix else writer.format_of_path(target)
        if not target.parent.is_dir():
            raise OutputError(f"cannot write {target}: there is no folder {target.parent}")
        if not overwrite_source and atomic_file.is_same_file(source, target):
            raise OutputError(
                f"{target} is the source itself; choose another target, or allow it with overwrite_source=True "
                "(--in-place)"
            )
        output_size = OutputSize(scale=scale, width=width, height=height)
        is_banded = file_format == TIFF and not atomic_file.is_stream(source)
        rows = TiffRows.open(source, min_pixels=_BANDED_PIXELS) if is_banded else None
        if rows is not None:
            with rows:
                pipeline.upscale_bands(self._path, self, rows, target, output_size, progress)
            return
        header = reader.open_image(source, max_pixels=self.max_pixels)
        file_format = file_format or writer.format_of_bytes(header.file_format, None)
        encoding = Encoding(file_format=file_format, quality=quality)
        picture, result = self._upscale(header, output_size, encoding, progress)
        writer.write(result, target, picture.metadata, file_format=file_format, quality=quality, like=source)

    def upscale_bytes(
        self,
        data: bytes | bytearray | memoryview,
        *,
        extension: str | None = None,
        scale: float | None = None,
        width: int | None = None,
        height: int | None = None,
        quality: int = DEFAULT_QUALITY,
        progress: Progress | None = None,
    ) -> bytes:
        """Upscale an encoded image to another encoded image and keep its metadata.

        Args:
            data: content of an image file.
            extension: format of the result, such as "png"; None keeps the format of `data`, with PNG instead of palette
                formats.
            scale, width, height, progress: as in `sr_infer.upscale`.
            quality: quality of lossy formats, 1 to 100.

        Raises:
            OutputError: the format cannot hold the result.
            SrInferError: as in `sr_infer.upscale`.
        """
        output_size = OutputSize(scale=scale, width=width, height=height)
        header = reader.open_image(data, max_pixels=self.max_pixels)
        file_format = writer.format_of_bytes(header.file_format, extension)
        encoding = Encoding(file_format=file_format, quality=quality, in_memory=True)
        picture, result = self._upscale(header, output_size, encoding, progress)
        return writer.encode(result, file_format, picture.metadata, quality=quality)

    def _upscale(
        self, header: Header, output_size: OutputSize, encoding: Encoding | None, progress: Progress | None
    ) -> tuple[Picture, Image.Image | Pixels]:
        if self.model != AUTO:
            return pipeline.upscale_image(self._path, self, header, output_size, encoding=encoding, progress=progress)
        size_hw = header.layout.size_hw
        scale = choose_scale(output_size.of(size_hw, max(CLEAN_MODELS))[0] / size_hw[0])

        def choose(picture: Picture) -> Path:
            name, reason = choose_model(picture.pixels, header.codec, scale)
            _log.info("%s: %s", name, reason)
            return model_zoo.find(name)

        clean = model_zoo.find(CLEAN_MODELS[scale])
        return pipeline.upscale_image(
            clean, self, header, output_size, encoding=encoding, progress=progress, choose=choose
        )


class _ReturnsSameType(Protocol[_P]):
    """The type of `upscale`: bytes, Pillow images and arrays are returned as the same type."""

    @overload
    def __call__(self, image: SameType, *args: _P.args, **kwargs: _P.kwargs) -> SameType: ...
    @overload
    def __call__(self, image: ImageInput, *args: _P.args, **kwargs: _P.kwargs) -> ImageOutput: ...


def _returns_same_type(function: Callable[Concatenate[ImageInput, _P], ImageOutput]) -> _ReturnsSameType[_P]:
    """Give a function the precise type, without a second copy of its parameters."""
    return function  # type: ignore[return-value]


@_returns_same_type
def upscale(
    image: ImageInput,
    model: str | PathLike[str] = model_zoo.DEFAULT_MODEL,
    *,
    tile: int | None = None,
    halo: Halo = "8bit",
    max_memory: int | str | None = None,
    max_pixels: int = MAX_PIXELS,
    threads: int | None = None,
    alpha: Alpha = "bicubic",
    edges: Edges = "border",
    ensemble: bool = False,
    scale: float | None = None,
    width: int | None = None,
    height: int | None = None,
    progress: Progress | None = None,
) -> ImageOutput:
    """Upscale an image in one call. Networks stay loaded between calls.

        >>> import numpy as np, sr_infer
        >>> image = np.zeros((24, 32, 3), np.uint8)
        >>> sr_infer.upscale(image, "srpn-lite-x4", max_memory="512MB").shape
        (96, 128, 3)

    Args:
        image: path, encoded bytes, binary file object, Pillow image, or array (H, W), (H, W, 1), (H, W, 3) or (H, W, 4)
            of uint8, uint16 or float32 in [0, 1]. Channels are grey, RGB or RGBA.
        model: name of a shipped model (see `sr_infer.available_models`), path of an .onnx file, or "auto". That takes
            the SRPN-Lite network of the smallest scale that reaches the output, and at x2 and x4 the photo network if
            the image shows JPEG, noise or another degradation; the choice and its reason are logged.
        tile: side of the tiles in LR px, without halo, at least 1; None lets the memory budget choose.
        halo: overlap of neighbouring tiles. "8bit" changes no 8-bit value by more than 1, compared with the whole image
            in one piece (images with 16 bits or floats get "exact"). "exact" equals the whole image. A number is an
            overlap in LR px, at least 0.
        max_memory: memory that the call may add to the process, in bytes or as text such as "512MB" or "1.5GiB"; None
            allows half of what is available.
        max_pixels: files that claim more pixels are refused before they are decoded; at least 1.
        threads: processors that the call keeps busy, at least 1; None uses all that affinity and cgroup allow.
        alpha: "bicubic" enlarges transparency by bicubic interpolation, "model" by the network.
        edges: what lies beyond the image. "border": nothing. "wrap": its opposite side, so that tileable textures stay
            tileable. "wrap-x": the same on the left and right only, for panoramas of 360 degrees. Both give the
            network's own scale only.
        ensemble: average the results over 8 flips and rotations: eight times the work for a slightly higher PSNR.
        scale: output side over input side, above 0; None takes the network's scale. Other scales are reached by bicubic
            resizing after the network.
        width: width of the output in px, at least 1; without a height it keeps the aspect ratio.
        height: height of the output in px, at least 1; without a width it keeps the aspect ratio.
        progress: called after each tile as progress(done_tiles, total_tiles); returning False cancels the call.

    Returns:
        The type of `image`: bytes for bytes, a Pillow image for a Pillow image, an array of the same dtype and number
        of dimensions for an array. A path or file object returns a Pillow image, or a uint16 array for 16-bit colour,
        which Pillow cannot hold.

    Raises:
        ImageError: the image cannot be read.
        ModelNotFoundError: there is no such model.
        ModelError: the network cannot be run.
        OptionError: an option is out of range.
        MemoryBudgetError: the image does not fit in the memory budget.
        CancelledError: `progress` returned False.
    """
    upscaler = Upscaler(
        model,
        tile=tile,
        halo=halo,
        max_memory=max_memory,
        max_pixels=max_pixels,
        threads=threads,
        alpha=alpha,
        edges=edges,
        ensemble=ensemble,
    )
    return upscaler(image, scale=scale, width=width, height=height, progress=progress)
