"""The output picture of a call: the memory that it takes, and how it is put together from blocks."""

from collections.abc import Iterator

import numpy as np
from PIL import Image

from sr_infer.blocks import Block
from sr_infer.images import Picture
from sr_infer.pillow_modes import Pixels, pillow_image, pillow_mode
from sr_infer.resize import imresize, working_bytes


def needed_bytes(
    picture: Picture, network_hw: tuple[int, int], size_hw: tuple[int, int], writing_bytes_per_px: float = 0
) -> int:
    """Memory of the input and output pictures, from decoding to giving back.

    Args:
        picture: the LR picture.
        network_hw: size of what the network makes of it.
        size_hw: size of the result.
        writing_bytes_per_px: what an encoder takes beside the result, by the result's pixels.
    """
    sample = picture.dtype.itemsize
    pillow_pixel = {1: sample, 2: 4, 3: 4, 4: 4}[picture.channels] if picture.is_pillow else 0
    array_pixel = picture.channels * sample
    network_px, output_px = network_hw[0] * network_hw[1], size_hw[0] * size_hw[1]
    source = 0 if picture.array_ndim is not None else picture.size_hw[0] * picture.size_hw[1] * array_pixel
    writing = output_px * writing_bytes_per_px
    if size_hw == network_hw:
        return int(source + network_px * (pillow_pixel or array_pixel) + writing)
    resizing = array_pixel * network_px + working_bytes(network_hw, size_hw, picture.channels, sample)
    return int(source + max(resizing, array_pixel * output_px + writing) + pillow_pixel * output_px)


def assembled(blocks: Iterator[Block], picture: Picture, scale: int, size_hw: tuple[int, int]) -> Image.Image | Pixels:
    """The result at its final size: a Pillow image where the caller gets one and no resizing is needed.

    Args:
        blocks: those of the whole picture.
        picture: the LR picture.
        scale: of the network.
        size_hw: of the result.
    """
    network_hw = (picture.size_hw[0] * scale, picture.size_hw[1] * scale)
    if picture.is_pillow and size_hw == network_hw:
        canvas = Image.new(pillow_mode(picture.channels, picture.dtype), network_hw[::-1])
        for row, column, block in blocks:
            canvas.paste(pillow_image(block), (column.keep_start * scale, row.keep_start * scale))
        return canvas
    pixels = np.empty((*network_hw, picture.channels), picture.dtype)
    for row, column, block in blocks:
        rows = slice(row.keep_start * scale, row.keep_stop * scale)
        pixels[rows, column.keep_start * scale : column.keep_stop * scale] = block
    if size_hw != network_hw:
        pixels = imresize(pixels, size_hw)
        if pixels.dtype.kind == "f":
            np.clip(pixels, 0, 1, out=pixels)
    return pixels
