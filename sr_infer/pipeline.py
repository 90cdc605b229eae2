"""Upscale one image: header, plan, decode, run, merge; in memory, or in bands from TIFF to TIFF."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from PIL import Image

from sr_infer.atomic_file import open_atomic
from sr_infer.engine import session
from sr_infer.errors import OptionError
from sr_infer.image_io import reader, tiff_writer
from sr_infer.image_io.pillow_modes import Pixels
from sr_infer.image_io.reader import Header, Layout, Picture
from sr_infer.image_io.tiff_reader import TiffRows
from sr_infer.image_io.writer import Encoding
from sr_infer.options import Options, OutputSize
from sr_infer.tiling import merge_tiles, wrap
from sr_infer.tiling.alpha import BLEED_PX
from sr_infer.tiling.geometry import Grid
from sr_infer.tiling.planner import TilingPlan, plan_tiles
from sr_infer.tiling.tile_runner import Progress, TileResult, run_tiles
from sr_infer.tiling.windows import Source
from sr_infer.tiling.wrap import WrappedSource


def upscale_image(
    model: Path,
    options: Options,
    header: Header,
    output_size: OutputSize,
    *,
    encoding: Encoding | None,
    progress: Progress | None,
    choose: Callable[[Picture], Path] | None = None,
) -> tuple[Picture, Image.Image | Pixels]:
    """Upscale an image in memory. An image that does not fit is refused before it is decoded.

    Args:
        model: file of the network.
        options: how to upscale.
        header: the LR image; it is closed after decoding.
        output_size: size of the result.
        encoding: how the result will be encoded; None if it is returned as it is.
        progress: called after each tile.
        choose: returns the file of the network to use instead of `model`, once the image is decoded; the two have the
            same cost.

    Returns:
        The LR image and the result.

    Raises:
        SrInferError: as in calling an `Upscaler`.
    """
    with header:
        plan = _plan(model, options, header.layout, output_size, encoding)
        picture = header.decode()
    layout = picture.layout
    planned_for, model = model, choose(picture) if choose else model
    if layout != header.layout or model != planned_for:
        plan = _plan(model, options, layout, output_size, encoding)
    scale = session.shared(model, threads=1).card.scale
    tiles = _run(model, options, picture, plan, progress)
    return picture, merge_tiles.merge(tiles, layout, scale, output_size.of(layout.size_hw, scale))


def upscale_bands(
    model: Path, options: Options, source: TiffRows, target: Path, output_size: OutputSize, progress: Progress | None
) -> None:
    """Upscale a large TIFF file to a BigTIFF file without holding either in memory; arguments as in `upscale_image`.

    Raises:
        OutputError: the result cannot be written.
        SrInferError: as in calling an `Upscaler`.
    """
    layout = source.layout
    reader.check_pixels(layout.size_hw[0] * layout.size_hw[1], "this TIFF", options.max_pixels)
    network = session.shared(model, threads=1)
    scale = network.card.scale
    size_hw = _result_hw(options, layout, output_size, scale)
    margin = wrap.margin_hw(options, network.card, layout.dtype)
    plan = plan_tiles(
        wrap.extended(layout, margin),
        network.card,
        options,
        network.working_set,
        lambda grid: (
            source.needed_bytes(grid.window_hw[0])
            + _wrapped_band_bytes(layout, margin, grid)
            + merge_tiles.band_bytes(layout, scale, size_hw, grid)
            + tiff_writer.needed_bytes(size_hw[1], layout.channels * layout.dtype.itemsize)
        ),
    )
    tiles = _run(model, options, source, plan, progress)
    with open_atomic(target, like=source.path) as file:
        tiff_writer.write(
            file,
            merge_tiles.merge_bands(tiles, layout, scale, size_hw),
            size_hw=size_hw,
            channels=layout.channels,
            dtype=layout.dtype,
            metadata=source.metadata.for_size(size_hw),
            is_big=True,
        )


def _plan(
    model: Path, options: Options, layout: Layout, output_size: OutputSize, encoding: Encoding | None
) -> TilingPlan:
    network = session.shared(model, threads=1)
    size_hw = _result_hw(options, layout, output_size, network.card.scale)
    margin = wrap.margin_hw(options, network.card, layout.dtype)
    encoding_bytes_per_px = 0.0 if encoding is None else encoding.bytes_per_px(size_hw, layout.channels, layout.dtype)
    image_bytes = partial(
        merge_tiles.needed_bytes,
        layout,
        network.card.scale,
        size_hw,
        encoding_bytes_per_px=encoding_bytes_per_px,
    )
    return plan_tiles(
        wrap.extended(layout, margin),
        network.card,
        options,
        network.working_set,
        lambda grid: image_bytes(grid) + _wrapped_band_bytes(layout, margin, grid),
    )


def _result_hw(options: Options, layout: Layout, output_size: OutputSize, scale: int) -> tuple[int, int]:
    """Height and width of the result in px. Resizing mirrors the border, so an image that wraps is not resized."""
    size_hw = output_size.of(layout.size_hw, scale)
    if options.edges != "border" and size_hw != (layout.size_hw[0] * scale, layout.size_hw[1] * scale):
        raise OptionError(
            f'expected the model\'s own scale, {scale}, with edges="{options.edges}", got {size_hw[1]}x{size_hw[0]} px '
            f"for {layout.size_hw[1]}x{layout.size_hw[0]} px; leave out the size, or choose a model of another scale"
        )
    return size_hw


def _wrapped_band_bytes(layout: Layout, margin: tuple[int, int], grid: Grid) -> int:
    """Memory of the rows of one row of windows, copied twice with the margin; 0 without one."""
    if margin == (0, 0):
        return 0
    rows = grid.window_hw[0] + 2 * BLEED_PX
    return 2 * rows * wrap.extended(layout, margin).size_hw[1] * layout.channels * layout.dtype.itemsize


def _run(
    model: Path, options: Options, source: Source, plan: TilingPlan, progress: Progress | None
) -> Iterator[TileResult]:
    network = session.shared(model, threads=options.thread_count if plan.workers == 1 else 1)
    layout = source.layout
    margin = wrap.margin_hw(options, network.card, layout.dtype)
    tiles = run_tiles(
        network,
        source if margin == (0, 0) else WrappedSource(source, margin),
        plan.grid,
        alpha=options.alpha,
        ensemble=options.ensemble,
        workers=plan.workers,
        progress=progress,
    )
    return tiles if margin == (0, 0) else wrap.without_margin(tiles, layout.size_hw, margin, network.card.scale)
