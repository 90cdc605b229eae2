"""`Upscaler`: one model with options, ready for whatever is a picture: in memory, as bytes, or from file to file."""

from dataclasses import dataclass
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any, TypeVar, overload

from numpy.typing import NDArray
from PIL import Image

from sr_infer import model_zoo, pipeline
from sr_infer.engine import session
from sr_infer.errors import OutputError
from sr_infer.image_io import reader, writer
from sr_infer.image_io.reader import ImageInput, ImageOutput, Picture
from sr_infer.image_io.tiff_reader import TiffRows
from sr_infer.model_card import ModelCard
from sr_infer.options import Options
from sr_infer.output_size import output_size
from sr_infer.tiling.tile_runner import Progress

AsItCame = TypeVar("AsItCame", bytes, Image.Image, NDArray[Any])
"""What comes back as it went in."""

_BANDED_PIXELS = 16_000_000
"""TIFF files with more are read and written in bands of rows."""


@dataclass(frozen=True)
class Upscaler(Options):
    """A model with options. Loads the network when first used; safe to call from several threads and after a fork.

    Raises:
        OptionError: an option is out of range.
        ModelNotFoundError: no such model.
    """

    model: str | PathLike[str] = model_zoo.DEFAULT_MODEL
    """Name of a shipped model, or path to an .onnx file, kept as an absolute one."""

    def __post_init__(self) -> None:
        super().__post_init__()
        path = model_zoo.find(self.model)
        if path.parent != model_zoo.MODELS_FOLDER:
            object.__setattr__(self, "model", path.absolute())

    @property
    def _path(self) -> Path:
        """Found anew on the machine that an upscaler is sent to."""
        return model_zoo.find(self.model)

    @property
    def card(self) -> ModelCard:
        """What the model says of itself.

        Raises:
            ModelError: the file is not a super-resolution network that can be run.
        """
        return session.shared(self._path, threads=1).card

    def load(self) -> None:
        """Load the network now rather than in the first call.

        Raises:
            ModelError: as `card`.
        """
        session.shared(self._path, threads=1)

    @overload
    def __call__(
        self,
        image: AsItCame,
        *,
        scale: float | None = None,
        width: int | None = None,
        height: int | None = None,
        progress: Progress | None = None,
    ) -> AsItCame: ...
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
        """Upscale a picture; see `sr_infer.image_io.reader` for what is taken and what comes back.

        Args:
            image: path, bytes, file object, Pillow image or array.
            scale: output side over input side; None takes the model's. Other sizes are reached by bicubic resizing
                after the network.
            width: of the output in px; alone it keeps the aspect ratio.
            height: of the output in px; alone it keeps the aspect ratio.
            progress: called after each tile.

        Raises:
            ImageError: not a picture that can be read.
            MemoryBudgetError: it does not fit in the memory budget.
            ModelError: the network cannot be run.
            CancelledError: `progress` returned False.
        """
        if isinstance(image, bytes | bytearray | memoryview):
            return self.upscale_bytes(image, scale=scale, width=width, height=height, progress=progress)
        size_of = partial(output_size, scale=scale, width=width, height=height)
        picture, result = pipeline.in_memory(self._path, self, image, size_of, progress, lambda picture, size_hw: 0)
        return reader.given_back(result, picture)

    def upscale_file(
        self,
        source: str | PathLike[str],
        target: str | PathLike[str],
        *,
        scale: float | None = None,
        width: int | None = None,
        height: int | None = None,
        quality: int = writer.DEFAULT_QUALITY,
        progress: Progress | None = None,
    ) -> None:
        """Upscale a picture file into another, keeping its metadata.

        Args:
            source: a picture file.
            target: its extension names the format; an existing file is replaced when the new one is complete.
            scale, width, height, progress: as in calling the upscaler.
            quality: of lossy formats, 1 to 100.

        Raises:
            OutputError: the result cannot be written.
            SrInferError: as in calling the upscaler.
        """
        target = Path(target)
        name = writer.file_format(target)
        if not target.parent.is_dir():
            raise OutputError(f"cannot write {target}: there is no folder {target.parent}")
        size_of = partial(output_size, scale=scale, width=width, height=height)
        rows = TiffRows.open(Path(source), least_px=_BANDED_PIXELS) if name == "TIFF" else None
        if rows is not None:
            with rows:
                pipeline.in_bands(self._path, self, rows, target, size_of, progress)
            return

        def writing_bytes_per_px(picture: Picture, size_hw: tuple[int, int]) -> float:
            return writer.check(name, size_hw, picture.channels, picture.dtype, quality=quality, in_memory=False)

        picture, result = pipeline.in_memory(self._path, self, source, size_of, progress, writing_bytes_per_px)
        writer.write(result, target, picture.metadata, quality=quality)

    def upscale_bytes(
        self,
        data: bytes | bytearray | memoryview,
        *,
        extension: str | None = None,
        scale: float | None = None,
        width: int | None = None,
        height: int | None = None,
        quality: int = writer.DEFAULT_QUALITY,
        progress: Progress | None = None,
    ) -> bytes:
        """Upscale an encoded picture into another, keeping its metadata.

        Args:
            data: the bytes of a picture file.
            extension: names the result's format, such as "png"; None keeps the picture's own, PNG standing in for
                palette formats.
            scale, width, height, progress: as in calling the upscaler.
            quality: of lossy formats, 1 to 100.

        Raises:
            OutputError: the format cannot hold the result.
            SrInferError: as in calling the upscaler.
        """

        def writing_bytes_per_px(picture: Picture, size_hw: tuple[int, int]) -> float:
            name = writer.bytes_format(picture.file_format, extension)
            return writer.check(name, size_hw, picture.channels, picture.dtype, quality=quality, in_memory=True)

        size_of = partial(output_size, scale=scale, width=width, height=height)
        picture, result = pipeline.in_memory(self._path, self, data, size_of, progress, writing_bytes_per_px)
        name = writer.bytes_format(picture.file_format, extension)
        return writer.encode(result, name, picture.metadata, quality=quality)
