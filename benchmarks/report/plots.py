"""Draw plots as SVG text in one style: few colours, one of them for our models, and direct labels."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import matplotlib

matplotlib.use("svg")
from matplotlib import pyplot
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

OURS, OTHERS, QUIET, INK = "#0f766e", "#b6bfcc", "#667085", "#1c2330"
SEQUENCE = ("#0f766e", "#7c3aed", "#d97706", "#2563eb", "#be185d", "#4d7c0f")
_STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "sr-infer",
    "font.family": "sans-serif",
    "font.sans-serif": ["system-ui", "Segoe UI", "Roboto", "DejaVu Sans"],
    "font.size": 12,
    "axes.edgecolor": "#d0d5dd",
    "axes.labelcolor": QUIET,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "text.color": INK,
    "legend.frameon": False,
}
_WIDTH_IN = 6.0


@dataclass(frozen=True)
class Point:
    """One model in a scatter plot."""

    label: str
    x: float
    y: float
    parameters: int = 0
    hollow: bool = False
    """Whether the values are quoted from a paper, not measured here."""


def bars(values: Mapping[str, float], *, ours: Sequence[str], unit: str) -> str:
    """Draw horizontal bars, the shortest on top, with the value at the end of each."""
    ordered = sorted(values.items(), key=lambda item: item[1], reverse=True)
    with _apply_style():
        figure, axes = pyplot.subplots(figsize=(_WIDTH_IN, 0.34 * len(ordered) + 0.3))
        names, lengths = [name for name, _ in ordered], [length for _, length in ordered]
        axes.barh(names, lengths, color=[OURS if name in ours else OTHERS for name in names], height=0.7)
        for index, length in enumerate(lengths):
            axes.text(length, index, f" {length:,.0f} {unit}", va="center")
        axes.set_xlim(0, max(lengths) * 1.15)
        axes.xaxis.set_visible(False)
        axes.spines["bottom"].set_visible(False)
        axes.tick_params(left=False)
        return _svg(figure)


def stacked(rows: Mapping[str, Mapping[str, float]], *, unit: str) -> str:
    """Draw one bar per row, divided into the shares of its parts."""
    parts = list(next(iter(rows.values())))
    colours = (OURS, "#5eaaa3", "#d97706", "#7c3aed", "#be185d")
    with _apply_style():
        figure, axes = pyplot.subplots(figsize=(_WIDTH_IN, 0.55 * len(rows) + 1.0))
        for row, name in enumerate(reversed(rows)):
            total, left = sum(rows[name].values()), 0.0
            for part, colour in zip(parts, colours, strict=False):
                share = rows[name][part] / total * 100
                axes.barh(row, share, left=left, color=colour, height=0.62, label=part if row == 0 else None)
                if share >= 5:
                    axes.text(left + share / 2, row, f"{share:.0f} %", color="white", ha="center", va="center")
                left += share
            axes.text(101, row, f"{total:,.0f} {unit}", va="center")
        axes.set_yticks(range(len(rows)), list(reversed(rows)))
        axes.set_xlim(0, 100)
        axes.xaxis.set_visible(False)
        axes.spines[["bottom", "left"]].set_visible(False)
        axes.tick_params(left=False)
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, handlelength=1, columnspacing=1.2)
        return _svg(figure)


def scatter(points: Sequence[Point], *, x_label: str, y_label: str) -> str:
    """Draw points over a logarithmic x axis; the area of a marker grows with the parameters."""
    with _apply_style():
        figure, axes = pyplot.subplots(figsize=(_WIDTH_IN, 4.6))
        for index, point in enumerate(sorted(points, key=lambda point: point.x)):
            area = 25 + point.parameters / 40_000
            face = "none" if point.hollow else OURS
            axes.scatter(
                point.x, point.y, s=area, facecolor=face, edgecolor=QUIET if point.hollow else OURS, alpha=0.85
            )
            axes.annotate(
                point.label,
                (point.x, point.y),
                xytext=(0, (area**0.5 / 2 + 3) * (-1) ** index),
                textcoords="offset points",
                ha="center",
                va="top" if index % 2 else "bottom",
                fontsize=9 if point.hollow else 12,
                color=QUIET if point.hollow else INK,
            )
        axes.set_xscale("log")
        axes.margins(x=0.12, y=0.12)
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xlabel(x_label)
        axes.set_ylabel(y_label)
        axes.grid(color="#eef0f3")
        axes.set_axisbelow(True)
        return _svg(figure)


def lines(
    series: Mapping[str, Sequence[tuple[float, float]]], *, x_label: str, y_label: str, logarithmic: bool = False
) -> str:
    """Draw one line per name, with a legend."""
    with _apply_style():
        figure, axes = pyplot.subplots(figsize=(_WIDTH_IN, 3.6))
        for (name, pairs), colour in zip(series.items(), SEQUENCE * 2, strict=False):
            xs, ys = zip(*pairs, strict=True)
            axes.plot(xs, ys, marker="o", markersize=4, color=colour, label=name)
        if logarithmic:
            axes.set_xscale("log", base=2)
        ticks = sorted({x for pairs in series.values() for x, _ in pairs})
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.set_ylim(bottom=0)
        axes.set_xlabel(x_label)
        axes.set_ylabel(y_label)
        axes.grid(color="#eef0f3", axis="y")
        axes.legend(loc="best")
        return _svg(figure)


def _apply_style() -> "matplotlib.rc_context":
    return matplotlib.rc_context(_STYLE)


def _svg(figure: Figure) -> str:
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", bbox_inches="tight", transparent=True, metadata={"Date": None})
    pyplot.close(figure)
    return buffer.getvalue()
