"""`python -m benchmarks.demo`: upscale a photograph with every shipped x4 model and save the results in `demo`."""

import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

import sr_infer
from benchmarks.photographs import Pixels, load_photograph
from sr_infer.errors import SrInferError
from sr_infer.measure import latency, peak_memory, upscale_case
from sr_infer.metrics import psnr_y
from sr_infer.resize import downscale, imresize

FOLDER = Path("demo")
SCALE = 4
DETAIL_HW = (slice(20, 212), slice(150, 342))
"""Rows and columns of the photograph, in HR px, that the side-by-side image enlarges."""
PANEL_PX = 384


def main() -> int:
    try:
        _demo()
    except SrInferError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _demo() -> None:
    photograph = load_photograph("chelsea", multiple=SCALE)
    lr = downscale(photograph, SCALE)
    bicubic = np.clip(imresize(lr.astype(np.float32), photograph.shape[:2]).round(), 0, 255).astype(np.uint8)
    FOLDER.mkdir(exist_ok=True)
    _save("lr", lr)
    _save("bicubic", bicubic)
    panels = {"low resolution": lr.repeat(SCALE, 0).repeat(SCALE, 1), "bicubic": bicubic}
    print(f"{lr.shape[1]}x{lr.shape[0]} px to {bicubic.shape[1]}x{bicubic.shape[0]} px")
    print(f"{'':22}{'time':>10}{'output':>12}{'memory added':>16}{'PSNR-Y':>11}")
    print(f"{'bicubic':22}{'':38}{psnr_y(bicubic, photograph, border=SCALE):8.2f} dB")
    for model in sr_infer.available_models():
        if model.card.scale != SCALE:
            continue
        upscaler = sr_infer.Upscaler(model.name)
        sr = upscaler(lr)
        _save(model.name, sr)
        if model.card.precision != "int8":
            panels[model.name] = sr
        median_ms = latency(lambda: upscaler(lr), repeats=3, warm_up=0).median_ms  # noqa: B023
        added_mb = peak_memory(upscale_case, model.name, *lr.shape[:2]).added_by_call_bytes / 1e6
        speed = f"{sr.shape[0] * sr.shape[1] / median_ms / 1e3:.2f} MP/s"
        quality = f"{psnr_y(sr, photograph, border=SCALE):.2f} dB"
        print(f"{model.name:22}{median_ms:7.0f} ms{speed:>12}{added_mb:13.0f} MB{quality:>11}")
    panels["original"] = photograph
    _side_by_side(panels).save(FOLDER / "side-by-side.png")
    print(f"wrote {FOLDER / 'side-by-side.png'}")


def _save(name: str, pixels: Pixels) -> None:
    Image.fromarray(pixels).save(FOLDER / f"{name}.png")


def _side_by_side(panels: dict[str, Pixels]) -> Image.Image:
    """One image with the same detail of every panel, enlarged without smoothing, each below its name."""
    caption_px, gap_px = 28, 8
    font = ImageFont.load_default(size=18)
    page = Image.new("RGB", (len(panels) * (PANEL_PX + gap_px) - gap_px, PANEL_PX + caption_px), "white")
    draw = ImageDraw.Draw(page)
    for index, (name, pixels) in enumerate(panels.items()):
        left = index * (PANEL_PX + gap_px)
        detail = Image.fromarray(pixels[DETAIL_HW]).resize((PANEL_PX, PANEL_PX), Image.Resampling.NEAREST)
        page.paste(detail, (left, caption_px))
        draw.text((left + 4, 3), name, fill="black", font=font)
    return page


if __name__ == "__main__":
    sys.exit(main())
