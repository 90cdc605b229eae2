"""One model with options, ready to upscale whatever is a picture: read, plan, put the blocks together, give back."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import KW_ONLY, dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any, BinaryIO, Literal, TypeAlias, TypeVar, overload

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sr_infer import banded_tiff, canvas, encode, images, memory, model_zoo, session
from sr_infer.banded_tiff import TiffRows
from sr_infer.blocks import Block, block_bytes_per_px, upscaled_blocks
from sr_infer.errors import CancelledError, OptionError, OutputError
from sr_infer.images import ImageInput, ImageOutput, Picture
from sr_infer.model_card import ModelCard
from sr_infer.output_size import output_size
from sr_infer.pillow_modes import Pixels
from sr_infer.tiling import Grid
from sr_infer.windows import Source

AsItCame = TypeVar("AsItCame", bytes, Image.Image, NDArray[Any])
"""What comes back as it went in."""

Halo: TypeAlias = Literal["8bit", "exact"] | int
Alpha: TypeAlias = Literal["bicubic", "model"]
Progress: TypeAlias = Callable[[int, int], bool | None]
"""Called as progress(done_tiles, total_tiles); returning False cancels."""

_BYTES_FORMATS = ("PNG", "JPEG", "TIFF", "WEBP", "BMP", "JPEG2000", "AVIF", "PPM")
"""Formats in which bytes are given back; others, such as palette files, come back as PNG."""

_BANDED_PIXELS = 16_000_000
"""TIFF files with more are read and written in bands of rows."""


@dataclass(frozen=True)
class Upscaler:
    """A model with options. Loads the network when first used; safe to call from several threads and after a fork.

    Raises:
        OptionError: an option is out of range.
        ModelNotFoundError: no such model.
    """

    model: str | PathLike[str] = model_zoo.DEFAULT_MODEL
    """Name of a shipped model, or path to an .onnx file."""
    _: KW_ONLY
    tile: int | None = None
    """Side in px of the tiles that the picture is cut into, without halo; None lets the memory budget choose."""
    halo: Halo = "8bit"
    """Overlap of the tiles: enough to change no 8-bit value by more than 1 (pictures of 16 bits and floats get the
    exact one), enough for equality with the whole picture, or a number of px."""
    max_memory: int | str | None = None
    """What a call may add to the process, in bytes or such as "512MB"; None takes a share of what is available."""
    max_pixels: int = images.MAX_PIXELS
    """Files that claim more pixels are refused before they are decoded."""
    threads: int | None = None
    """Processors that a call keeps busy; None takes all that affinity and cgroup allow."""
    alpha: Alpha = "bicubic"
    """How transparency is enlarged."""
    ensemble: bool = False
    """Average over the 8 flips and rotations: eight times the work for a little more PSNR."""
    _path: Path = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name, least in (("tile", 1), ("threads", 1), ("max_pixels", 1)):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, int) or value < least):
                raise OptionError(f"expected {name} to be a whole number of at least {least}, got {value!r}")
        if self.halo not in ("8bit", "exact") and (not isinstance(self.halo, int) or self.halo < 0):
            raise OptionError(f'expected halo to be "8bit", "exact" or a number of px, got {self.halo!r}')
        if not isinstance(self.ensemble, bool):
            raise OptionError(f"expected ensemble to be True or False, got {self.ensemble!r}")
        if self.alpha not in ("bicubic", "model"):
            raise OptionError(f'expected alpha to be "bicubic" or "model", got {self.alpha!r}')
        if self.max_memory is not None:
            memory.parse_bytes(self.max_memory)
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
        picture = images.read(image, max_pixels=self.max_pixels)
        size_hw = output_size(picture.size_hw, self.card.scale, scale=scale, width=width, height=height)
        return images.given_back(self._upscaled(picture, size_hw, progress), picture)

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
        if name == "TIFF" and scale is width is height is None:
            rows = TiffRows.open(Path(source), least_px=_BANDED_PIXELS)
            if rows is not None:
                with rows:
                    self._upscale_in_bands(rows, target, progress)
                return
        picture = images.read(source, max_pixels=self.max_pixels)
        encode.check(name, picture.channels, picture.dtype, quality=quality)
        size_hw = output_size(picture.size_hw, self.card.scale, scale=scale, width=width, height=height)
        writing = _writing_bytes_per_px(picture, name, in_memory=False)
        result = self._upscaled(picture, size_hw, progress, writing)
        encode.write(result, target, picture.metadata.for_size(size_hw), quality=quality)

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
        picture = images.read(data, max_pixels=self.max_pixels)
        own = picture.file_format if picture.file_format in _BYTES_FORMATS else "PNG"
        name = own if extension is None else encode.file_format(Path(f"out.{extension.removeprefix('.')}"))
        encode.check(name, picture.channels, picture.dtype, quality=quality)
        size_hw = output_size(picture.size_hw, self.card.scale, scale=scale, width=width, height=height)
        writing = _writing_bytes_per_px(picture, name, in_memory=True)
        result = self._upscaled(picture, size_hw, progress, writing)
        return encode.encode(result, name, picture.metadata.for_size(size_hw), quality=quality)

    def _upscaled(
        self, picture: Picture, size_hw: tuple[int, int], progress: Progress | None, writing_bytes_per_px: float = 0
    ) -> Image.Image | Pixels:
        scale = self.card.scale
        network_hw = (picture.size_hw[0] * scale, picture.size_hw[1] * scale)
        needed = canvas.needed_bytes(picture, network_hw, size_hw, writing_bytes_per_px)
        return canvas.assembled(self._blocks(picture, lambda grid: needed, progress), picture, scale, size_hw)

    def _upscale_in_bands(self, source: TiffRows, target: Path, progress: Progress | None) -> None:
        scale = self.card.scale
        size_hw = (source.size_hw[0] * scale, source.size_hw[1] * scale)
        images.check_pixels(source.size_hw[0] * source.size_hw[1], "this TIFF", self.max_pixels)
        blocks = self._blocks(source, lambda grid: banded_tiff.needed_bytes(source, scale, grid.window_hw[0]), progress)
        bands = (
            np.concatenate([block for _, _, block in row], axis=1)
            for _, row in itertools.groupby(blocks, key=lambda block: block[0])
        )
        with encode.replacing(target) as temporary:
            banded_tiff.write(
                temporary,
                bands,
                size_hw=size_hw,
                channels=source.channels,
                dtype=source.dtype,
                metadata=source.metadata.for_size(size_hw),
            )

    def _blocks(
        self, source: Source, canvas_bytes: Callable[[Grid], int], progress: Progress | None
    ) -> Iterator[Block]:
        """Plan within the memory budget, and run."""
        threads = session.default_threads() if self.threads is None else self.threads
        card = self.card
        division = memory.fit(
            source.size_hw,
            card,
            halo_px=self._halo_px(card, source.dtype),
            tile_px=self.tile,
            max_memory=self.max_memory,
            canvas_bytes=canvas_bytes,
            block_bytes_per_px=block_bytes_per_px(
                source.channels, source.dtype, card.scale, alpha=self.alpha, ensemble=self.ensemble
            ),
            threads=threads,
        )
        blocks = upscaled_blocks(
            session.shared(self._path, threads=threads if division.workers == 1 else 1),
            source,
            division.grid,
            alpha=self.alpha,
            ensemble=self.ensemble,
            workers=division.workers,
        )
        return _counted(blocks, len(division.grid), progress)

    def _halo_px(self, card: ModelCard, dtype: np.dtype[Any]) -> int:
        if isinstance(self.halo, int):
            return self.halo
        if self.halo == "8bit" and dtype == np.uint8 and card.halo_8bit_px is not None:
            return card.halo_8bit_px
        return card.halo_px


def _counted(blocks: Iterator[Block], total: int, progress: Progress | None) -> Iterator[Block]:
    """The same blocks, telling `progress` when each has been used."""
    for done, block in enumerate(blocks, start=1):
        yield block
        if progress is not None and progress(done, total) is False:
            raise CancelledError(f"cancelled after {done} of {total} tiles")


def _writing_bytes_per_px(picture: Picture, name: str, *, in_memory: bool) -> float:
    sample = picture.dtype.itemsize
    return encode.working_bytes_per_px(name, picture.channels * sample, is_deep=sample > 1, in_memory=in_memory)
