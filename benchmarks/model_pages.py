"""`python -m benchmarks.model_pages`: write a page with facts and details for every shipped model to `docs/models`.

An int8 model is shown on the page of its float model.
"""

import argparse
import io
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from benchmarks.photographs import Pixels, load_photograph
from sr_infer import ModelCard, ShippedModel, Upscaler, available_models
from sr_infer.measure import latency, peak_memory, upscale_case
from sr_infer.metrics import psnr_y
from sr_infer.model_zoo import DEFAULT_MODEL
from sr_infer.resize import downscale, imresize
from sr_infer.resources import cpu_name, usable_cpus

FOLDER = Path("docs/models")
DETAIL_PX = 144
"""Side of a detail in HR pixels; 2, 3 and 4 divide it."""
PANEL_PX = 216
DETAILS = {
    "face": ("astronaut", 60, 150),
    "fur and eye": ("chelsea", 60, 130),
    "print": ("page", 20, 40),
    "metal and spokes": ("motorcycle_left", 210, 60),
    "brick": ("brick", 120, 120),
    "foliage": ("grass", 120, 120),
}
"""Photograph, top and left of each detail, by a name that says what the detail shows."""
AT_FIRST_SIGHT = ("face", "brick")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.model_pages", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="float files to write a page for (default: all pages)")
    options = parser.parse_args(arguments)
    FOLDER.mkdir(parents=True, exist_ok=True)
    models = {model.name: model for model in available_models()}
    floats = [name for name in models if not name.endswith("-int8")]
    if unknown := sorted(set(options.names) - set(floats)):
        parser.error(f"no shipped float model is called {', '.join(unknown)}; there are {', '.join(floats)}")
    for name in options.names or floats:
        files = [models[name], *filter(None, [models.get(f"{name}-int8")])]
        _save(_details(files, DETAILS), name)
        (FOLDER / f"{name}.md").write_text(_page(name, files), encoding="utf-8")
    if not options.names:
        _save(_details([models[DEFAULT_MODEL]], AT_FIRST_SIGHT), "at-first-sight")
        _save(_weaknesses(DEFAULT_MODEL), "weaknesses")
    return 0


def _save(picture: Image.Image, name: str) -> None:
    picture.save(FOLDER / f"{name}.webp", quality=80, method=6)


def _page(name: str, files: list[ShippedModel]) -> str:
    card = files[0].card
    lines = [
        f"# {name}",
        "",
        f"![details, enlarged without smoothing]({name}.webp)",
        "",
        "HR images are downscaled by MATLAB-compatible bicubic and upscaled again. PSNR-Y is in dB, on the detail.",
        "",
        f"| | {' | '.join(f'`{model.name}`' for model in files)} |",
        f"|---|{'---|' * len(files)}",
    ]
    facts = [_facts(model) for model in files]
    lines += [f"| {label} | {' | '.join(column[label] for column in facts)} |" for label in facts[0]]
    lines += ["", f"Trained on: {card.trained_on}", ""]
    lines += [f"Licence: {card.licence}. Exported with {_versions(card)}.", ""]
    return "\n".join(lines)


def _facts(model: ShippedModel) -> dict[str, str]:
    card = model.card
    lr = np.random.default_rng(0).integers(0, 256, (96, 96, 3), np.uint8)
    upscaler = Upscaler(model.name)
    median_ms = latency(lambda: upscaler(lr), repeats=10, warm_up=2).median_ms
    added_bytes = peak_memory(upscale_case, model.name, 96, 96).added_by_call_bytes
    return {
        "scale": f"x{card.scale}",
        "parameters": f"{card.params:,}",
        "MACs per LR pixel": f"{card.macs_per_px:,}",
        **{f"{f} PSNR-Y / SSIM": f"{q.psnr_y:.2f} dB / {q.ssim_y:.4f}" for f, q in card.quality.items()},
        f"96x96 on {cpu_name()}, {usable_cpus()} cores": f"{median_ms:.0f} ms, {added_bytes / 1e6:.0f} MB",
        "tile halo for 8 bit / exact": f"{card.halo_8bit_px} / {card.halo_px} px",
        "file": f"{model.size_bytes:,} bytes, {card.precision}",
        "sha256": f"`{model.sha256}`",
    }


def _versions(card: ModelCard) -> str:
    return ", ".join(f"{tool} {version}" for tool, version in card.exporter.items())


def _details(files: list[ShippedModel], scenes: Iterable[str]) -> Image.Image:
    scale = files[0].card.scale
    rows = {}
    for what in scenes:
        photograph, top, left = DETAILS[what]
        hr = load_photograph(photograph, multiple=scale)
        lr = downscale(hr, scale)
        panels = {"bicubic": _bicubic(lr, hr.shape[:2]), **{model.name: Upscaler(model.name)(lr) for model in files}}
        cut = np.s_[top // scale * scale :, left // scale * scale :]
        details = {name: panel[cut][:DETAIL_PX, :DETAIL_PX] for name, panel in panels.items()}
        original = hr[cut][:DETAIL_PX, :DETAIL_PX]
        captions = {f"{n} {psnr_y(d, original, border=scale):.2f}": d for n, d in details.items()}
        rows[what] = {**captions, "original": original}
    return _sheet(rows)


def _weaknesses(model: str) -> Image.Image:
    """Draw inputs for which the models were not trained: JPEG artefacts, noise and blur are enlarged, not removed."""
    upscaler = Upscaler(model)
    scale = upscaler.card.scale
    hr = load_photograph("astronaut", multiple=scale)
    lr = downscale(hr, scale)
    noise = np.random.default_rng(0).normal(0, 10, lr.shape)
    inputs = {
        "clean": lr,
        "JPEG quality 30": _jpeg(lr, quality=30),
        "noise, sigma 10": np.clip(lr + noise, 0, 255).round().astype(np.uint8),
        "blur, sigma 1.5": np.asarray(Image.fromarray(lr).filter(ImageFilter.GaussianBlur(1.5))),
    }
    _, top, left = DETAILS["face"]
    cut = np.s_[top : top + DETAIL_PX, left : left + DETAIL_PX]
    return _sheet(
        {
            what: {
                "bicubic": _bicubic(picture, hr.shape[:2])[cut],
                model: upscaler(picture)[cut],
                "original": hr[cut],
            }
            for what, picture in inputs.items()
        }
    )


def _bicubic(lr: Pixels, size_hw: tuple[int, int]) -> Pixels:
    return np.clip(imresize(lr.astype(np.float32), size_hw).round(), 0, 255).astype(np.uint8)


def _jpeg(pixels: Pixels, *, quality: int) -> Pixels:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def _sheet(rows: dict[str, dict[str, Pixels]]) -> Image.Image:
    """Draw a row of details for each scene, enlarged without smoothing, with captions above."""
    caption_px, gap_px = 22, 6
    font = ImageFont.load_default(size=14)
    columns = len(next(iter(rows.values())))
    width = columns * (PANEL_PX + gap_px) - gap_px
    sheet = Image.new("RGB", (width, len(rows) * (PANEL_PX + caption_px)), "white")
    draw = ImageDraw.Draw(sheet)
    for y, (what, panels) in enumerate(rows.items()):
        for x, (caption, pixels) in enumerate(panels.items()):
            left, top = x * (PANEL_PX + gap_px), y * (PANEL_PX + caption_px)
            detail = Image.fromarray(pixels).convert("RGB").resize((PANEL_PX, PANEL_PX), Image.Resampling.NEAREST)
            sheet.paste(detail, (left, top + caption_px))
            draw.text((left + 3, top + 2), f"{what}: {caption}" if x == 0 else caption, fill="black", font=font)
    return sheet


if __name__ == "__main__":
    sys.exit(main())
