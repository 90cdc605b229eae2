"""The recipe of a dual regression compression: a TOML file with a table for each stage."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sr_infer.errors import OptionError
from training.compress.drc.pruning import Pruning
from training.compress.drc.search import AlphaOptions
from training.compress.drc.widths import WidthsOptions
from training.recipe import TrainingOptions, read_tables
from training.settings import read_settings


@dataclass(frozen=True, kw_only=True)
class DRCRecipe:
    """How to compress; the network comes from the dense weights."""

    widths: WidthsOptions
    alpha: AlphaOptions
    search: TrainingOptions
    """Training of the weights during the search."""
    pruning: Pruning
    fine_tuning: TrainingOptions
    """Training after the pruning. Its dual settings apply to the pruning as well."""
    distillation_weight: float = 1.0
    """Weight of the teacher's loss, if there is a teacher."""


def read_drc_recipe(path: Path) -> DRCRecipe:
    """
    Raises:
        OptionError: the file is missing or not TOML, or a key is unknown, missing or refused; the message names it.
    """
    tables = read_tables(path)
    sections = {
        "widths": WidthsOptions,
        "alpha": AlphaOptions,
        "search": TrainingOptions,
        "pruning": Pruning,
        "fine_tuning": TrainingOptions,
    }
    if set(tables) - {"distillation_weight"} != set(sections):
        expected = ", ".join(f"[{name}]" for name in sections)
        raise OptionError(f"{path}: expected {expected}, got {', '.join(tables) or 'nothing'}")
    settings: dict[str, Any] = {
        name: read_settings(cls, tables[name], where=f"{path} [{name}]") for name, cls in sections.items()
    }
    if table := settings["widths"].latency_table:
        settings["widths"] = replace(settings["widths"], latency_table=str(path.parent / table))
    return read_settings(DRCRecipe, {**tables, **settings}, where=str(path))
