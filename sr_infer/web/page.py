"""The page of `sr_infer.web.server`: upload an image, compare before and after, download the result."""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image

from sr_infer import folders, resources
from sr_infer.errors import SrInferError
from sr_infer.image_io import pillow_modes, reader
from sr_infer.memory import format_bytes
from sr_infer.model_zoo import DEFAULT_MODEL, available_models
from sr_infer.upscaler import Upscaler

_COMPARED_PX = 2400
"""Largest side of the middle part that is compared; browsers show this size without trouble."""
_REMOVED_EVERY_S = 60
"""Time in s between two removals of old files."""

STYLE = """
.actual-size { overflow: auto; }
"""


def build(*, max_memory: int | str | None, max_pixels: int, threads: int | None, keep_s: int) -> gr.Blocks:
    """Build the page.

    Args:
        max_memory, max_pixels, threads: options of the `Upscaler`.
        keep_s: time in s after which uploads and results are removed.
    """

    def upscale(upload: str | None, model: str, bar: gr.Progress = gr.Progress()) -> Iterator[Any]:  # noqa: B008
        if upload is None:
            raise gr.Error("Choose a picture first.")
        upscaler = Upscaler(model, max_memory=max_memory, max_pixels=max_pixels, threads=threads)
        source = Path(upload)
        with tempfile.TemporaryDirectory() as folder:
            target = Path(folder) / folders.renamed(Path(source.name), f"-{model}", None)
            try:
                cost = _upscale_file(upscaler, source, target, bar)
                before, after = _compare(source, target)
            except SrInferError as error:
                raise gr.Error(str(error)) from error
            shown = gr.ImageSlider((before, after), width=f"{after.width}px", height=after.height, visible=True)
            yield shown, gr.File(str(target), visible=True), f"{cost} Before and after at 100 %:"

    with gr.Blocks(title="sr-infer", analytics_enabled=False, delete_cache=(_REMOVED_EVERY_S, keep_s)) as page:
        gr.Markdown("# Enlarge a picture\nIt stays on this machine, and is removed soon after.")
        with gr.Row():
            upload = gr.File(label="Picture", file_types=["image"], height=140)
            _refuse_addresses(upload)
            with gr.Column():
                names = [(_describe(row.name, row.card.scale), row.name) for row in available_models()]
                model = gr.Dropdown(names, value=DEFAULT_MODEL, label="Model")
                start = gr.Button("Enlarge", variant="primary")
        cost = gr.Markdown()
        result = gr.File(label="Result", visible=False, interactive=False)
        with gr.Column(elem_classes="actual-size"):
            slider = gr.ImageSlider(
                format="png", buttons=[], container=False, show_label=False, visible=False, max_height=_COMPARED_PX
            )
        start.click(upscale, [upload, model], [slider, result, cost], api_visibility="private", show_progress_on=cost)
    return page


def _refuse_addresses(upload: gr.File) -> None:
    """Refuse addresses: Gradio would fetch an image from an address that it receives in place of a file."""
    take_file = upload.async_move_resource_to_block_cache

    async def take(path: str | Path | None) -> str | None:
        if path is not None and "://" in str(path):
            raise gr.Error("expected an uploaded file, got an address")
        taken: str | None = await take_file(path)
        return taken

    upload.async_move_resource_to_block_cache = take


def _describe(name: str, scale: int) -> str:
    return f"{name}: {scale} times as wide and high"


def _upscale_file(upscaler: Upscaler, source: Path, target: Path, bar: gr.Progress) -> str:
    """Upscale a file and return its size, time and memory as text."""

    def tell(done: int, total: int) -> None:
        bar((done, total), unit="tiles")

    upscaler.load()
    baseline_bytes = resources.resident_bytes()
    resources.reset_peak_resident_bytes()
    start = time.perf_counter()
    upscaler.upscale_file(source, target, progress=tell)
    seconds = time.perf_counter() - start
    added_bytes = max(resources.peak_resident_bytes() - baseline_bytes, 1)
    with Image.open(target) as large:
        size = f"{large.width} x {large.height} px"
    return f"{size} in {seconds:.1f} s, {format_bytes(added_bytes)} of memory."


def _compare(source: Path, target: Path) -> tuple[Image.Image, Image.Image]:
    """The middle of the image, enlarged as a browser would do it, and the middle of the result."""
    after = _rgb(target)
    width, height = (min(side, _COMPARED_PX) for side in after.size)
    left, top = (after.width - width) // 2, (after.height - height) // 2
    before = _rgb(source)
    scale_x, scale_y = before.width / after.width, before.height / after.height
    box = (left * scale_x, top * scale_y, (left + width) * scale_x, (top + height) * scale_y)
    return (
        before.resize((width, height), Image.Resampling.BICUBIC, box),
        after.crop((left, top, left + width, top + height)),
    )


def _rgb(path: Path) -> Image.Image:
    """Read an image as RGB with 8 bits per channel, upright."""
    pixels = reader.read(path, max_pixels=reader.MAX_PIXELS * 16).pixels
    if pixels.dtype != "uint8":
        pixels = (pixels // 257).astype("uint8")
    return pillow_modes.pillow_image(pixels).convert("RGB")
