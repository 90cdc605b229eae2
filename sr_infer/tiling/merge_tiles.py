"""The output picture of a call: the memory that it takes, and how it is put together from blocks."""

import itertools
from collections.abc import Iterator

import numpy as np
from PIL import Image

from sr_infer.image_io.pillow_modes import Pixels, pillow_image, pillow_mode
from sr_infer.image_io.reader import Picture
from sr_infer.resize import band_working_bytes, imresize_bands
from sr_infer.tiling.geometry import Grid
from sr_infer.tiling.tile_runner import Block
from sr_infer.tiling.windows import Source


def needed_bytes(
    picture: Picture, scale: int, size_hw: tuple[int, int], grid: Grid, *, writing_bytes_per_px: float
) -> int:
    """Memory of the input and output pictures, from decoding to giving back.

    Args:
        picture: the LR picture.
        scale: of the network.
        size_hw: of the result.
        grid: how the picture is divided.
        writing_bytes_per_px: what an encoder takes beside the result, by the result's pixels.
    """
    sample = picture.dtype.itemsize
    array_pixel = picture.channels * sample
    result_pixel = {1: sample, 2: 4, 3: 4, 4: 4}[picture.channels] if picture.is_pillow else array_pixel
    source = 0 if picture.array_ndim is not None else picture.size_hw[0] * picture.size_hw[1] * array_pixel
    result = size_hw[0] * size_hw[1] * (result_pixel + writing_bytes_per_px)
    resizing = 0 if size_hw == _network_hw(picture, scale) else band_bytes(picture, scale, size_hw, grid)
    return int(source + result + resizing)


def assembled(blocks: Iterator[Block], picture: Picture, scale: int, size_hw: tuple[int, int]) -> Image.Image | Pixels:
    """The result at its final size: a Pillow image where the caller gets one.

    Args:
        blocks: those of the whole picture.
        picture: the LR picture.
        scale: of the network.
        size_hw: of the result.
    """
    if size_hw == _network_hw(picture, scale):
        parts = _placed(blocks, scale)
    else:
        parts = _stacked(bands(blocks, picture, scale, size_hw))
    if picture.is_pillow:
        image = Image.new(pillow_mode(picture.channels, picture.dtype), size_hw[::-1])
        for top, left, part in parts:
            image.paste(pillow_image(part), (left, top))
        return image
    pixels = np.empty((*size_hw, picture.channels), picture.dtype)
    for top, left, part in parts:
        pixels[top : top + part.shape[0], left : left + part.shape[1]] = part
    return pixels


def bands(blocks: Iterator[Block], source: Source, scale: int, size_hw: tuple[int, int]) -> Iterator[Pixels]:
    """The result from top to bottom, each (rows, w, C); arguments as in `assembled`."""
    rows = (
        np.concatenate([block for _, _, block in row], axis=1)
        for _, row in itertools.groupby(blocks, key=lambda block: block[0])
    )
    if size_hw == _network_hw(source, scale):
        return rows
    resized = imresize_bands(rows, _network_hw(source, scale), size_hw)
    return (np.clip(band, 0, 1) for band in resized) if source.dtype.kind == "f" else resized


def band_bytes(source: Source, scale: int, size_hw: tuple[int, int], grid: Grid) -> int:
    """Memory that `bands` takes beside the result; arguments as in `needed_bytes`."""
    network_hw = _network_hw(source, scale)
    band_px = grid.window_hw[0] * scale
    collected = 2 * band_px * network_hw[1] * source.channels * source.dtype.itemsize
    if size_hw == network_hw:
        return collected
    return collected + band_working_bytes(network_hw, size_hw, source.channels, source.dtype.itemsize, band_px)


def _network_hw(source: Source, scale: int) -> tuple[int, int]:
    return source.size_hw[0] * scale, source.size_hw[1] * scale


def _placed(blocks: Iterator[Block], scale: int) -> Iterator[tuple[int, int, Pixels]]:
    """Top, left and pixels of each part of the result."""
    return ((row.keep_start * scale, column.keep_start * scale, block) for row, column, block in blocks)


def _stacked(bands: Iterator[Pixels]) -> Iterator[tuple[int, int, Pixels]]:
    """As `_placed`, for full rows from top to bottom."""
    top = 0
    for band in bands:
        yield top, 0, band
        top += len(band)
