"""`python -m benchmarks.real_world`: enlarging pictures as users have them, in PSNR-Y and SSIM, as a page.

LR pictures come from HR ones by the fixed degradations of `training.data.conditions`. Bicubic and Lanczos enlargement,
the clean and the photo model of each scale are compared. What is measured goes to `benchmarks/real_world.json`, where
it replaces the same set and scale, and all of it becomes `docs/real-world.md`.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from skimage import data

from benchmarks.timing.machine import cpu_name
from sr_infer.atomic_file import atomic_write
from sr_infer.errors import SrInferError
from sr_infer.metrics import psnr_y, ssim_y
from training.data.conditions import CONDITIONS, degrade_by_name
from training.data.degradation_parts import Pixels
from training.data.folder import picture_names, read_pictures
from training.evaluate import Upscale, load_upscaler

KEPT = Path(__file__).with_name("real_world.json")
PAGE = Path(__file__).parent.parent / "docs" / "real-world.md"
PHOTOGRAPHS = "photographs of scikit-image"
SIDE_PX = 256
"""Side of the middle part of each photograph."""
CONTENDERS = ("bicubic", "Lanczos", "clean", "photo")
INTRODUCTION = """# Pictures as users have them

The LR pictures of this page are made from HR ones by {count} fixed degradations, and enlarged again by MATLAB's
bicubic, Pillow's Lanczos, the clean network (which learnt MATLAB's bicubic only) and the photo network of the same
cost. Cells are PSNR-Y in dB / SSIM, means over the pictures; "gain" is the photo network over bicubic. Written on
{machine} by `python -m benchmarks.real_world`.
"""


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.real_world", description=__doc__)
    parser.add_argument(
        "--data", type=Path, action="append", default=[], metavar="DIR", help="folder of HR pictures, or with HR/ in it"
    )
    parser.add_argument("--scale", type=int, action="append", choices=(2, 4), help="(default: 4)")
    parser.add_argument(
        "--model", metavar="MODEL", help="in place of the shipped photo model: only printed, with one --scale"
    )
    options = parser.parse_args(arguments)
    scales = options.scale or [4]
    if options.model and len(scales) != 1:
        parser.error("--model needs one --scale")
    try:
        found = [
            measure(title, pictures, scale, photo=options.model or f"srpn-lite-x{scale}-photo")
            for scale in scales
            for title, pictures in _sets(options.data)
        ]
    except SrInferError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print("\n\n".join(map(table, found)))
    if not options.model:
        _keep(found)
    return 0


def measure(title: str, pictures: Sequence[Pixels], scale: int, *, photo: str) -> dict[str, Any]:
    """Mean PSNR-Y and SSIM of every contender under every condition.

    Args:
        title: of the set.
        pictures: HR, (H, W, 3) uint8.
        scale: what they are shrunk and enlarged by, and the border in pixels that is left out.
        photo: the shipped name or file of the photo model.

    Raises:
        SrInferError: a model is missing or of another scale.
    """
    upscalers: dict[str, Upscale] = {
        "bicubic": load_upscaler("bicubic", scale),
        "Lanczos": lambda lr: _lanczos(lr, scale),
        "clean": load_upscaler(f"srpn-lite-x{scale}", scale),
        "photo": load_upscaler(photo, scale),
    }
    rows = {}
    for condition in CONDITIONS:
        rows[condition] = {
            name: _mean_scores(upscale, pictures, scale, condition) for name, upscale in upscalers.items()
        }
        print(title, f"x{scale}", condition, *rows[condition].values(), file=sys.stderr)
    return {"set": title, "scale": scale, "pictures": len(pictures), "machine": cpu_name(), "rows": rows}


def table(found: dict[str, Any]) -> str:
    """What `measure` found, as Markdown."""
    lines = [
        f"## {found['set']}, x{found['scale']}, {found['pictures']} pictures",
        "",
        f"| LR made by | {' | '.join(CONTENDERS)} | gain |",
        "|---" * (len(CONTENDERS) + 2) + "|",
    ]
    for condition, scores in found["rows"].items():
        cells = (f"{scores[name][0]:.2f} / {scores[name][1]:.3f}" for name in CONTENDERS)
        gain = scores["photo"][0] - scores["bicubic"][0]
        lines.append(f"| {condition} | {' | '.join(cells)} | {gain:+.2f} |")
    return "\n".join(lines)


def _sets(folders: Sequence[Path]) -> Iterator[tuple[str, list[Pixels]]]:
    for folder in folders:
        root = folder / "HR" if (folder / "HR").is_dir() else folder
        yield folder.name, list(read_pictures(root, picture_names(root), least_px=64))
    photographs = (data.astronaut(), data.chelsea(), data.coffee(), data.rocket())
    yield PHOTOGRAPHS, [_middle(photograph) for photograph in photographs]


def _middle(picture: Pixels) -> Pixels:
    top, left = ((side - SIDE_PX) // 2 for side in picture.shape[:2])
    return picture[top : top + SIDE_PX, left : left + SIDE_PX]


def _mean_scores(upscale: Upscale, pictures: Sequence[Pixels], scale: int, condition: str) -> tuple[float, float]:
    scores = []
    for picture in pictures:
        hr = picture[: picture.shape[0] // scale * scale, : picture.shape[1] // scale * scale]
        sr = upscale(degrade_by_name(hr, scale, condition))
        scores.append((psnr_y(sr, hr, border=scale), ssim_y(sr, hr, border=scale)))
    psnr_y_db, ssim = np.mean(scores, axis=0)
    return round(float(psnr_y_db), 3), round(float(ssim), 4)


def _lanczos(lr: Pixels, scale: int) -> Pixels:
    size = (lr.shape[1] * scale, lr.shape[0] * scale)
    return np.asarray(Image.fromarray(lr).resize(size, Image.Resampling.LANCZOS))


def _keep(found: list[dict[str, Any]]) -> None:
    earlier = json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.exists() else []
    replaced = {(one["set"], one["scale"]) for one in found}
    kept = [one for one in earlier if (one["set"], one["scale"]) not in replaced] + found
    kept.sort(key=lambda one: (-one["scale"], one["set"]))
    introduction = INTRODUCTION.format(
        count=len(CONDITIONS), machine=" and ".join(sorted({one["machine"] for one in kept}))
    )
    with atomic_write(KEPT) as temporary:
        temporary.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    with atomic_write(PAGE) as temporary:
        temporary.write_text("\n".join([introduction, *(table(one) + "\n" for one in kept)]), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
