"""One model with options, ready to upscale whatever is a picture: read, plan, put the blocks together, give back."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias, TypeVar, overload

from numpy.typing import NDArray
from PIL import Image

from sr_infer import canvas, encode, images, model_zoo, session, tiff_writer
from sr_infer.banded_tiff import TiffRows
from sr_infer.blocks import Block, Progress, upscaled_blocks
from sr_infer.errors import OutputError
from sr_infer.images import ImageInput, ImageOutput, Picture
from sr_infer.memory import Division
from sr_infer.model_card import ModelCard
from sr_infer.options import Options
from sr_infer.output_size import output_size
from sr_infer.pillow_modes import Pixels
from sr_infer.windows import Source

AsItCame = TypeVar("AsItCame", bytes, Image.Image, NDArray[Any])
"""What comes back as it went in."""

_SizeOf: TypeAlias = Callable[[tuple[int, int], int], tuple[int, int]]
"""From the LR size and the model's scale to the size of the result."""

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
    """Name of a shipped model, or path to an .onnx file."""
    _path: Path = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "_path", model_zoo.find(self.model))

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
        image: str | PathLike[str] | BinaryIO,
        *,
        scale: float | None = None,
        width: int | None = None,
        height: int | None = None,
        progress: Progress | None = None,
    ) -> Image.Image | NDArray[Any]: ...
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
        """Upscale a picture; see `sr_infer.images` for what is taken and what comes back.

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
        if isinstance(image, bytes):
            return self.upscale_bytes(image, scale=scale, width=width, height=height, progress=progress)
        size_of = partial(output_size, scale=scale, width=width, height=height)
        picture, result = self._upscaled(image, size_of, progress, lambda picture: 0)
        return images.given_back(result, picture)

    def upscale_file(
        self,
        source: str | PathLike[str],
        target: str | PathLike[str],
        *,
        scale: float | None = None,
        width: int | None = None,
        height: int | None = None,
        quality: int = encode.DEFAULT_QUALITY,
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
        name = encode.file_format(target)
        if not target.parent.is_dir():
            raise OutputError(f"cannot write {target}: there is no folder {target.parent}")
        size_of = partial(output_size, scale=scale, width=width, height=height)
        rows = TiffRows.open(Path(source), least_px=_BANDED_PIXELS) if name == "TIFF" else None
        if rows is not None:
            with rows:
                self._upscale_in_bands(rows, target, size_of, progress)
            return

        def writing_bytes_per_px(picture: Picture) -> float:
            return encode.check(name, picture.channels, picture.dtype, quality=quality, in_memory=False)

        picture, result = self._upscaled(source, size_of, progress, writing_bytes_per_px)
        encode.write(result, target, picture.metadata, quality=quality)

    def upscale_bytes(
        self,
        data: bytes,
        *,
        extension: str | None = None,
        scale: float | None = None,
        width: int | None = None,
        height: int | None = None,
        quality: int = encode.DEFAULT_QUALITY,
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

        def writing_bytes_per_px(picture: Picture) -> float:
            name = encode.bytes_format(picture.file_format, extension)
            return encode.check(name, picture.channels, picture.dtype, quality=quality, in_memory=True)

        size_of = partial(output_size, scale=scale, width=width, height=height)
        picture, result = self._upscaled(data, size_of, progress, writing_bytes_per_px)
        name = encode.bytes_format(picture.file_format, extension)
        return encode.encode(result, name, picture.metadata, quality=quality)

    def _upscaled(
        self,
        image: ImageInput,
        size_of: _SizeOf,
        progress: Progress | None,
        writing_bytes_per_px: Callable[[Picture], float],
    ) -> tuple[Picture, Image.Image | Pixels]:
        """The LR picture and the result. What will not fit is refused before anything is decoded."""
        scale = self.card.scale

        def division(picture: Picture) -> Division:
            needed_bytes = partial(
                canvas.needed_bytes,
                picture,
                scale,
                size_of(picture.size_hw, scale),
                writing_bytes_per_px=writing_bytes_per_px(picture),
            )
            return self.division(picture, self.card, needed_bytes)

        picture = images.read(image, max_pixels=self.max_pixels, check=division)
        blocks = self._blocks(picture, division(picture), progress)
        return picture, canvas.assembled(blocks, picture, scale, size_of(picture.size_hw, scale))

    def _upscale_in_bands(self, source: TiffRows, target: Path, size_of: _SizeOf, progress: Progress | None) -> None:
        images.check_pixels(source.size_hw[0] * source.size_hw[1], "this TIFF", self.max_pixels)
        scale = self.card.scale
        size_hw = size_of(source.size_hw, scale)
        division = self.division(
            source,
            self.card,
            lambda grid: (
                source.needed_bytes(grid.window_hw[0])
                + canvas.band_bytes(source, scale, size_hw, grid)
                + tiff_writer.needed_bytes(size_hw[1], source.channels * source.dtype.itemsize)
            ),
        )
        blocks = self._blocks(source, division, progress)
        with encode.replacing(target) as temporary, temporary.open("wb") as file:
            tiff_writer.write(
                file,
                canvas.bands(blocks, source, scale, size_hw),
                size_hw=size_hw,
                channels=source.channels,
                dtype=source.dtype,
                metadata=source.metadata.for_size(size_hw),
                is_big=True,
            )

    def _blocks(self, source: Source, division: Division, progress: Progress | None) -> Iterator[Block]:
        return upscaled_blocks(
            session.shared(self._path, threads=self.thread_count if division.workers == 1 else 1),
            source,
            division.grid,
            alpha=self.alpha,
            ensemble=self.ensemble,
            workers=division.workers,
            progress=progress,
        )
