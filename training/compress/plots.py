"""Plots of a run: the filters under SRP's penalty (the paper's figure 3), and the course of a channel search."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sr_infer.atomic_file import atomic_write

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LOG = logging.getLogger(__name__)


def draw_curves(record: Sequence[Sequence[float]], layers: Sequence[tuple[str, str]], path: Path) -> None:
    """Write a PNG with one panel a layer: mean |W| of its removed and of its kept filters over the steps.

    Args:
        record: rows of step, then the mean |W| of removed and of kept filters of each layer (`GrowingPenalty.record`).
        layers: "free" or "tied" and the module name of each.
        path: the .png file; without matplotlib a warning is logged and nothing written.

    Raises:
        OutputError: the file cannot be written.
    """
    figure = _figure_for(path, width=5 * len(layers))
    if figure is None:
        return
    steps, *means = zip(*record, strict=True)
    panels = figure.subplots(1, len(layers), squeeze=False)[0]
    for index, (panel, (kind, layer)) in enumerate(zip(panels, layers, strict=True)):
        removed, kept = means[2 * index : 2 * index + 2]
        panel.plot(steps, kept, label="kept")
        panel.plot(steps, removed, label="removed")
        panel.set(title=f"{layer} ({kind})", xlabel="step", ylabel="mean |W| of filters", ylim=(0, None))
        panel.legend()
    save_figure(figure, path)


def draw_search(record: Sequence[Sequence[float]], path: Path, *, budget: float) -> None:
    """Write a PNG with two panels: the share of the dense cost and alpha's loss over the steps.

    Args:
        record: rows of `ChannelSearch.record`.
        path: the .png file; without matplotlib a warning is logged and nothing written.
        budget: share of the cost that is allowed.

    Raises:
        OutputError: the file cannot be written.
    """
    figure = _figure_for(path, width=10)
    if figure is None:
        return
    steps, losses, expected, within, entropy = zip(*record, strict=True)
    cost, loss = figure.subplots(1, 2)
    cost.plot(steps, expected, label="expected")
    cost.plot(steps, within, label="chosen, within the budget")
    cost.axhline(budget, color="grey", linestyle="dashed", label="budget")
    cost.set(title="cost", xlabel="step", ylabel="share of the dense network")
    cost.legend()
    loss.plot(steps, losses, label="loss of alpha")
    loss.set(title="search", xlabel="step", ylabel="dual regression loss")
    certainty = loss.twinx()
    certainty.plot(steps, entropy, color="tab:orange", label="entropy")
    certainty.set(ylabel="mean entropy of a layer, nats")
    loss.legend(handles=[*loss.lines, *certainty.lines])
    save_figure(figure, path)


def write_curve(record: Sequence[Sequence[float]], path: Path) -> None:
    """The same as CSV.

    Raises:
        OutputError: the file cannot be written.
    """
    heads = "step,alpha_loss,expected_share,chosen_share,mean_entropy_nats"
    lines = [heads, *(",".join(f"{value:.6g}" for value in row) for row in record)]
    with atomic_write(path) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _figure_for(path: Path, *, width: float) -> "Figure | None":
    try:
        from matplotlib.figure import Figure
    except ImportError:
        LOG.warning("%s is not drawn, matplotlib is missing; pip install 'sr-infer[train]'", path)
        return None
    return Figure(figsize=(width, 3.5), layout="constrained")


def save_figure(figure: "Figure", path: Path) -> None:
    """Write a PNG.

    Raises:
        OutputError: the file cannot be written.
    """
    with atomic_write(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)
