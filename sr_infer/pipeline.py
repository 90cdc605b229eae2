"""One picture from reading to its result: read, plan, run, put together; in memory, or in bands from TIFF to TIFF."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TypeAlias

from PIL import Image

from sr_infer.atomic_file import replacing
from sr_infer.engine import session
from sr_infer.image_io import reader, tiff_writer
from sr_infer.image_io.pillow_modes import Pixels
from sr_infer.image_io.reader import ImageInput, Picture
from sr_infer.image_io.tiff_reader import TiffRows
from sr_infer.memory import Division
from sr_infer.options import Options
from sr_infer.tiling import merge_tiles
from sr_infer.tiling.tile_runner import Block, Progress, upscaled_blocks
from sr_infer.tiling.windows import Source

SizeOf: TypeAlias = Callable[[tuple[int, int], int], tuple[int, int]]
"""From the LR size and the model's scale to the size of the result."""
WritingBytesPerPx: TypeAlias = Callable[[Picture, tuple[int, int]], float]
"""From the LR picture and the size of the result to what an encoder takes beside the result, by the result's pixels."""


def in_memory(
    model: Path,
    options: Options,
    image: ImageInput,
    size_of: SizeOf,
    progress: Progress | None,
    writing_bytes_per_px: WritingBytesPerPx,
) -> tuple[Picture, Image.Image | Pixels]:
    """The LR picture and the result. What will not fit is refused before anything is decoded.

    Args:
        model: the network's file.
        options: how to work.
        image: as `images.read` takes it.
        size_of: tells the result's size.
        progress: called after each tile.
        writing_bytes_per_px: raises where the result cannot be written.

    Raises:
        SrInferError: as in calling an `Upscaler`.
    """
    card = session.shared(model, threads=1).card

    def division(picture: Picture) -> Division:
        size_hw = size_of(picture.size_hw, card.scale)
        needed_bytes = partial(
            merge_tiles.needed_bytes,
            picture,
            card.scale,
            size_hw,
            writing_bytes_per_px=writing_bytes_per_px(picture, size_hw),
        )
        return options.division(picture, card, needed_bytes)

    picture = reader.read(image, max_pixels=options.max_pixels, check=division)
    blocks = _blocks(model, options, picture, division(picture), progress)
    return picture, merge_tiles.assembled(blocks, picture, card.scale, size_of(picture.size_hw, card.scale))


def in_bands(
    model: Path, options: Options, source: TiffRows, target: Path, size_of: SizeOf, progress: Progress | None
) -> None:
    """A large TIFF file into a BigTIFF file, neither of them in memory at once; arguments as `in_memory`.

    Raises:
        OutputError: the result cannot be written.
        SrInferError: as in calling an `Upscaler`.
    """
    reader.check_pixels(source.size_hw[0] * source.size_hw[1], "this TIFF", options.max_pixels)
    card = session.shared(model, threads=1).card
    size_hw = size_of(source.size_hw, card.scale)
    division = options.division(
        source,
        card,
        lambda grid: (
            source.needed_bytes(grid.window_hw[0])
            + merge_tiles.band_bytes(source, card.scale, size_hw, grid)
            + tiff_writer.needed_bytes(size_hw[1], source.channels * source.dtype.itemsize)
        ),
    )
    blocks = _blocks(model, options, source, division, progress)
    with replacing(target) as temporary, temporary.open("wb") as file:
        tiff_writer.write(
            file,
            merge_tiles.bands(blocks, source, card.scale, size_hw),
            size_hw=size_hw,
            channels=source.channels,
            dtype=source.dtype,
            metadata=source.metadata.for_size(size_hw),
            is_big=True,
        )


def _blocks(
    model: Path, options: Options, source: Source, division: Division, progress: Progress | None
) -> Iterator[Block]:
    return upscaled_blocks(
        session.shared(model, threads=options.thread_count if division.workers == 1 else 1),
        source,
        division.grid,
        alpha=options.alpha,
        ensemble=options.ensemble,
        workers=division.workers,
        progress=progress,
    )
