"""Merge the results of tiles into the output image, and predict the memory that this takes."""

import itertools
from collections.abc import Iterator

import numpy as np
from PIL import Image

from sr_infer.image_io.pillow_modes import Pixels, pillow_image, pillow_mode
from sr_infer.image_io.reader import Layout
from sr_infer.resize import band_working_bytes, imresize_bands
from sr_infer.tiling.geometry import Grid
from sr_infer.tiling.tile_runner import TileResult


def needed_bytes(
    layout: Layout, scale: int, size_hw: tuple[int, int], grid: Grid, *, encoding_bytes_per_px: float
) -> int:
    """Memory of the input and output images, from decoding to returning.

    Args:
        layout: layout of the LR image.
        scale: scale of the network.
        size_hw: height and width of the result in px.
        grid: windows of the LR image.
        encoding_bytes_per_px: memory that an encoder takes beside the result, for each of its pixels.
    """
    sample = layout.dtype.itemsize
    array_pixel = layout.channels * sample
    result_pixel = {1: sample, 2: 4, 3: 4, 4: 4}[layout.channels] if layout.is_pillow else array_pixel
    source = 0 if layout.is_array else layout.size_hw[0] * layout.size_hw[1] * array_pixel
    result = size_hw[0] * size_hw[1] * (result_pixel + encoding_bytes_per_px)
    resizing = 0 if size_hw == _network_hw(layout, scale) else band_bytes(layout, scale, size_hw, grid)
    return int(source + result + resizing)


def merge(tiles: Iterator[TileResult], layout: Layout, scale: int, size_hw: tuple[int, int]) -> Image.Image | Pixels:
    """Merge the results of all tiles into one image of the final size.

    Args:
        tiles: results of all tiles of the image, row by row.
        layout: layout of the LR image.
        scale: scale of the network.
        size_hw: height and width of the result in px.

    Returns:
        A Pillow image if the caller gets one, otherwise pixels (h, w, C).
    """
    if size_hw == _network_hw(layout, scale):
        parts = _place(tiles, scale)
    else:
        parts = _stack(merge_bands(tiles, layout, scale, size_hw))
    if layout.is_pillow:
        image = Image.new(pillow_mode(layout.channels, layout.dtype), size_hw[::-1])
        for top, left, part in parts:
            image.paste(pillow_image(part), (left, top))
        return image
    pixels = np.empty((*size_hw, layout.channels), layout.dtype)
    for top, left, part in parts:
        pixels[top : top + part.shape[0], left : left + part.shape[1]] = part
    return pixels


def merge_bands(tiles: Iterator[TileResult], layout: Layout, scale: int, size_hw: tuple[int, int]) -> Iterator[Pixels]:
    """Merge the results of all tiles into bands (rows, w, C), from top to bottom; arguments as in `merge`."""
    rows = (
        np.concatenate([tile.pixels for tile in row], axis=1)
        for _, row in itertools.groupby(tiles, key=lambda tile: tile.row)
    )
    if size_hw == _network_hw(layout, scale):
        return rows
    resized = imresize_bands(rows, _network_hw(layout, scale), size_hw)
    return (np.clip(band, 0, 1) for band in resized) if layout.dtype.kind == "f" else resized


def band_bytes(layout: Layout, scale: int, size_hw: tuple[int, int], grid: Grid) -> int:
    """Memory that `merge_bands` takes beside the result; arguments as in `needed_bytes`."""
    network_hw = _network_hw(layout, scale)
    band_px = grid.window_hw[0] * scale
    collected = 2 * band_px * network_hw[1] * layout.channels * layout.dtype.itemsize
    if size_hw == network_hw:
        return collected
    return collected + band_working_bytes(network_hw, size_hw, layout.channels, layout.dtype.itemsize, band_px)


def _network_hw(layout: Layout, scale: int) -> tuple[int, int]:
    return layout.size_hw[0] * scale, layout.size_hw[1] * scale


def _place(tiles: Iterator[TileResult], scale: int) -> Iterator[tuple[int, int, Pixels]]:
    """Top, left and pixels of each tile in the result."""
    return ((tile.row.keep_start * scale, tile.column.keep_start * scale, tile.pixels) for tile in tiles)


def _stack(bands: Iterator[Pixels]) -> Iterator[tuple[int, int, Pixels]]:
    """Top, left and pixels of each band in the result."""
    top = 0
    for band in bands:
        yield top, 0, band
        top += len(band)
