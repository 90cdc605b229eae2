"""Draw details of photographs at 4x zoom: bicubic, every x4 model, and the original."""

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from benchmarks.photographs import crop_middle
from benchmarks.report.document import Heading, Illustration, Part
from sr_infer import ShippedModel, Upscaler
from sr_infer.metrics import psnr_y
from sr_infer.resize import downscale, imresize

SCALE = 4
DETAILS = {"astronaut": (200, 8), "chelsea": (62, 45), "rocket": (36, 100)}
"""Top and left of the detail by photograph, in px of the middle 256x256 px."""
DETAIL_PX, ZOOM = 56, 4
_CAPTION_PX, _GAP_PX = 40, 8


def comparison(models: Sequence[ShippedModel]) -> list[Part]:
    """Draw one strip per photograph; returns nothing if there is no x4 model."""
    chosen = [model for model in models if model.card.scale == SCALE]
    if not chosen:
        return []
    parts: list[Part] = [Heading("Details", 3)]
    for name, corner in DETAILS.items():
        description = f"{name}: {DETAIL_PX}x{DETAIL_PX} px of the result at {ZOOM}x zoom, PSNR of the whole photograph."
        parts.append(Illustration(f"detail-{name}", _strip(name, corner, chosen), description))
    return parts


def _strip(name: str, corner: tuple[int, int], models: Sequence[ShippedModel]) -> bytes:
    hr = crop_middle(name, SCALE)
    lr = downscale(hr, SCALE)
    bicubic = np.clip(imresize(lr.astype(np.float32), hr.shape[:2]).round(), 0, 255).astype(np.uint8)
    panels = {"bicubic": bicubic}
    for model in sorted(models, key=lambda model: (model.card.architecture, model.card.precision != "int8")):
        panels[model.name] = Upscaler(model.name)(lr)
    captions = [f"{label}\n{psnr_y(sr, hr, border=SCALE):.2f} dB" for label, sr in panels.items()]
    return _png([*panels.values(), hr], [*captions, "original"], corner)


def _png(pictures: Sequence[np.ndarray], captions: Sequence[str], corner: tuple[int, int]) -> bytes:
    side = DETAIL_PX * ZOOM
    columns = min(len(pictures), 4)
    lines = -(-len(pictures) // columns)
    size = (columns * (side + _GAP_PX) - _GAP_PX, lines * (side + _CAPTION_PX + _GAP_PX) - _GAP_PX)
    page = Image.new("RGB", size, "white")
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(size=15)
    top, left = corner
    for index, (pixels, caption) in enumerate(zip(pictures, captions, strict=True)):
        x, y = index % columns * (side + _GAP_PX), index // columns * (side + _CAPTION_PX + _GAP_PX)
        detail = Image.fromarray(pixels[top : top + DETAIL_PX, left : left + DETAIL_PX])
        page.paste(detail.resize((side, side), Image.Resampling.NEAREST), (x, y + _CAPTION_PX))
        draw.text((x, y), caption, fill="black", font=font, spacing=1)
    buffer = io.BytesIO()
    page.quantize(192, dither=Image.Dither.NONE).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
