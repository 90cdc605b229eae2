"""`python -m benchmarks.budgets [MODEL ...]`: check that calls stay within `max_memory`, as a Markdown table.

Each row is one call in its own process. It shows the memory that the call added to the loaded model, and the share of
the budget. Images are photographs of 1920x1080 px unless the row says otherwise.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.photographs import tile_photograph
from sr_infer import ShippedModel, Upscaler, available_models, folders, memory
from sr_infer.image_io import tiff_writer, writer
from sr_infer.image_io.metadata import Metadata
from sr_infer.measure import peak_memory

FULL_HD_HW, QUARTER_HW = (1080, 1920), (540, 960)
LARGE_TIFF_HW = (8400, 12000)
ALLOWED = 1.05
TIGHT = "256MB"
"""Small budget. Networks that average over the whole image need large windows, so their rows are left out."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One call and its memory budget."""

    name: str
    budget: str
    target: str | None = None
    """Name of the output file. None means that the call takes and returns an array."""
    size_hw: tuple[int, int] = FULL_HD_HW
    kind: str = "RGB"
    """Mode of the input image: "RGB", "RGBA" or "RGB, 16 bits"."""
    sizing: dict[str, float] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    jobs: int = 1

    def measure(self, model: ShippedModel) -> str:
        options = self.options | {"max_memory": self.budget}
        with tempfile.TemporaryDirectory(prefix="sr-infer-budgets-") as folder:
            if self.target is None:
                peak = peak_memory(array_case, model.name, self.size_hw, options)
            else:
                _write_source(Path(folder), self)
                peak = peak_memory(file_case, model.name, folder, self.target, self.sizing, options, self.jobs)
        share = peak.added_by_call_bytes / memory.parse_bytes(self.budget)
        verdict = "" if share <= ALLOWED else " too much"
        figures = f"{memory.format_bytes(peak.added_by_call_bytes)} | {share:.0%}{verdict} | {peak.call_ms / 1e3:.0f} s"
        return f"| `{model.name}` | {self.name} | {self.budget} | {figures} |"


_ARRAYS = [Case(name="array", budget=budget) for budget in ("128MB", TIGHT, "512MB", "1GB")]
_TWO_JOBS = [Case(name="4 files, 2 jobs", budget=size, target="large.png", jobs=2) for size in ("512MB", "1GB")]
_OPTIONS = [
    Case(name="JPEG to JPEG", budget="512MB", target="large.jpg"),
    Case(name="JPEG to WebP", budget="2GB", target="large.webp"),
    Case(name="scaled by 3", budget="512MB", target="large.png", sizing={"scale": 3}),
    Case(name="width 1000", budget="512MB", target="large.png", sizing={"width": 1000}),
    Case(name="transparency", budget="512MB", target="large.png", kind="RGBA"),
    Case(name="transparency by the model", budget="512MB", target="large.png", kind="RGBA", options={"alpha": "model"}),
    Case(name="16 bits", budget="1GB", target="large.png", kind="RGB, 16 bits"),
    Case(name="ensemble, 960x540", budget=TIGHT, target="large.png", size_hw=QUARTER_HW, options={"ensemble": True}),
    Case(name="4 files of 960x540, 2 jobs", budget=TIGHT, target="large.png", size_hw=QUARTER_HW, jobs=2),
]
_LARGE = [
    Case(name="TIFF, 12000x8400", budget="500MB", target="large.tif", size_hw=LARGE_TIFF_HW),
    Case(
        name="TIFF, 12000x8400, half the size",
        budget="500MB",
        target="large.tif",
        size_hw=LARGE_TIFF_HW,
        sizing={"scale": 0.5},
    ),
]


def array_case(model: str, size_hw: tuple[int, int], options: dict[str, Any]) -> Callable[[], object]:
    """Load the model; returns a call that upscales a photograph from array to array. A case of `peak_memory`."""
    upscaler, picture = _load_upscaler(model, options), tile_photograph(*size_hw)
    return lambda: upscaler(picture)


def file_case(
    model: str, folder: str, target: str, sizing: dict[str, Any], options: dict[str, Any], jobs: int
) -> Callable[[], object]:
    """Load the model; returns a call that upscales a folder as the command does. A case of `peak_memory`."""
    upscaler, output = _load_upscaler(model, options), Path(folder) / "large"
    work = folders.tasks([folder], output, extension=Path(target).suffix)

    def call() -> None:
        failed = [outcome.error for outcome in _run(upscaler, work, sizing, jobs) if outcome.error]
        if failed:
            raise SystemExit(failed[0])

    return call


def _run(upscaler: Upscaler, work: list[folders.Task], sizing: dict[str, Any], jobs: int) -> list[folders.Outcome]:
    return folders.run(
        upscaler,
        work,
        folders.OutputOptions(**sizing),
        jobs=jobs,
        on_tile=lambda path, done, total: None,
        on_outcome=lambda outcome: None,
    )


def _load_upscaler(model: str, options: dict[str, Any]) -> Upscaler:
    upscaler = Upscaler(model, **options)
    upscaler.load()
    return upscaler


def _write_source(folder: Path, case: Case) -> None:
    if case.size_hw == LARGE_TIFF_HW:
        band = tile_photograph(case.size_hw[0] // 12, case.size_hw[1])
        with (folder / "photo.tif").open("wb") as file:
            layout = {"size_hw": case.size_hw, "channels": 3, "dtype": band.dtype}
            tiff_writer.write(file, [band] * 12, **layout, metadata=Metadata(), is_big=False)
        return
    pixels: Any = tile_photograph(*case.size_hw)
    if case.kind == "RGBA":
        pixels = np.dstack([pixels, pixels[::-1, :, 0]])
    elif case.kind == "RGB, 16 bits":
        pixels = pixels.astype(np.uint16) * 257
    for number in range(2 * case.jobs if case.jobs > 1 else 1):
        if case.kind == "RGB":
            Image.fromarray(pixels).save(folder / f"photo-{number}.jpg", quality=95)
        else:
            writer.write(pixels, folder / f"photo-{number}.png", Metadata())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("models", nargs="*", help="names of shipped models (default: all)")
    parser.add_argument(
        "--only", choices=("arrays", "jobs", "options", "large"), help="one kind of call (default: all)"
    )
    chosen = parser.parse_args()
    shipped = {model.name for model in available_models()}
    if unknown := set(chosen.models) - shipped:
        parser.error(f"expected models among {', '.join(sorted(shipped))}, got {', '.join(sorted(unknown))}")
    groups = {"arrays": _ARRAYS, "jobs": _TWO_JOBS, "options": _OPTIONS, "large": _LARGE}
    cases = groups[chosen.only] if chosen.only else [case for group in groups.values() for case in group]
    print("| model | call | budget | added | of the budget | time |")
    print("|---|---|---|---|---|---|", flush=True)
    for model in available_models():
        if not chosen.models or model.name in chosen.models:
            for case in cases:
                if not (model.card.global_pooling and memory.parse_bytes(case.budget) <= memory.parse_bytes(TIGHT)):
                    print(case.measure(model), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
