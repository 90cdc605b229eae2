"""`python -m benchmarks.evidence.memsr_figures --output X.png`: draw figures 4, 5, 7 of MemSR from committed rows."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.evidence.memsr import FOUND, SHIPPED_TEACHER
from training.checkpoint import load_network
from training.command_line import run_command
from training.compress.memsr.conversion import teacher_layers
from training.compress.plots import save_figure

ROWS = Path(__file__).with_name("memsr.jsonl")
CURVES = {
    ("start", "winning"): "winning",
    ("distillation", "as the recipe"): "winning, distilled",
    ("start", "winning, as in the paper"): "winning as in the paper",
    ("start", "random, He"): "He",
    ("start", "random, He, rate 1e-3"): "He, rate 1e-3",
    ("start", "random, Xavier"): "Xavier",
    ("start", "random, RepVGG branches"): "RepVGG branches",
    ("distillation", "from random, FitNet"): "He, FitNet",
}
COMPARED = (("distillation", "as the recipe"), ("start", "winning, as in the paper"), ("start", "random, He"))


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.evidence.memsr_figures", description=__doc__)
    parser.add_argument("--output", type=Path, required=True, help="path of the .png file to write")
    options = parser.parse_args(arguments)
    return run_command(lambda: _draw(options.output))


def _draw(path: Path) -> None:
    results = [json.loads(line) for line in ROWS.read_text(encoding="utf-8").splitlines()]
    first = {(r["row"]["question"], r["row"]["tried"]): r for r in results if r["row"]["seed"] == 1}
    figure = Figure(figsize=(15, 4.2), layout="constrained")
    curves, similarity, widths = figure.subplots(1, 3)
    _draw_curves(curves, first)
    _draw_similarity(similarity, first)
    _draw_widths(widths, {name: row["widths"] for name in FOUND if (row := first.get(("found widths", name)))})
    save_figure(figure, path)


def _draw_curves(axes: Axes, rows: dict[tuple[str, str], dict[str, Any]]) -> None:
    for settings in (settings for settings in CURVES if settings in rows):
        steps, psnrs = zip(*rows[settings]["psnr_y_db"], strict=True)
        axes.plot(steps, psnrs, marker="o", markersize=3, **_style(settings))
    axes.set(title="training", xlabel="step", ylabel="PSNR-Y on validation, dB")
    axes.legend()


def _draw_similarity(axes: Axes, rows: dict[tuple[str, str], dict[str, Any]]) -> None:
    for settings in (settings for settings in COMPARED if settings in rows):
        before, after = rows[settings]["similarity"]
        layers = range(1, 1 + len(after))
        axes.plot(layers, after, **_style(settings))
        axes.plot(layers, before, color=_style(settings)["color"], linestyle="dotted")
    axes.set(title="similarity to the teacher (dotted: before training)", xlabel="layer", ylabel="linear CKA")
    axes.legend()


def _style(settings: tuple[str, str]) -> dict[str, str]:
    return {"label": CURVES[settings], "color": f"C{[*CURVES].index(settings)}"}


def _draw_widths(axes: Axes, found: dict[str, Sequence[int]]) -> None:
    layers = teacher_layers(load_network(SHIPPED_TEACHER)[2])[:-1]
    for label, widths in ({"teacher": [layer.outputs for layer in layers]} | found).items():
        axes.plot(range(1, 1 + len(widths)), widths, marker=".", label=label)
    axes.set(title=f"widths for {SHIPPED_TEACHER.stem}", xlabel="layer", ylabel="channels", ylim=(0, None))
    axes.legend()


if __name__ == "__main__":
    sys.exit(main())
