"""The paper's figure 3: how the penalty parts the filters that go from those that stay."""

import logging
from collections.abc import Sequence
from pathlib import Path

from sr_infer.errors import OutputError

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
    try:
        from matplotlib.figure import Figure
    except ImportError:
        LOG.warning("%s is not drawn, matplotlib is missing; pip install 'sr-infer[train]'", path)
        return
    figure = Figure(figsize=(5 * len(layers), 3.5), layout="constrained")
    steps, *means = zip(*record, strict=True)
    panels = figure.subplots(1, len(layers), squeeze=False)[0]
    for index, (panel, (kind, layer)) in enumerate(zip(panels, layers, strict=True)):
        removed, kept = means[2 * index : 2 * index + 2]
        panel.plot(steps, kept, label="kept")
        panel.plot(steps, removed, label="removed")
        panel.set(title=f"{layer} ({kind})", xlabel="step", ylabel="mean |W| of filters", ylim=(0, None))
        panel.legend()
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        figure.savefig(temporary, format="png", dpi=120)
        temporary.replace(path)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error}") from error
    finally:
        temporary.unlink(missing_ok=True)
