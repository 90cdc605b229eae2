"""A recipe: one TOML file that describes a network and its training."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any, Literal, get_args

from sr_infer.errors import OptionError
from training.data.degradations import Degradation
from training.data.random_chain import RandomChain
from training.losses import Distance, Dual
from training.networks import NetworkConfig, read_config
from training.settings import read_settings


@dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """The table `[training]`.

    Raises:
        OptionError: a value is out of range.
    """

    steps: int
    batch: int = 16
    """Patches in a step, over all processes together."""
    lr_patch_px: int = 48
    """Side of a patch at the low resolution."""
    degradation: Degradation = "bicubic"
    """How LR pictures are made."""
    shrunk: tuple[float, ...] = ()
    """Factors below 1: patches are also cut from HR pictures shrunk by these, more of them from few pictures."""
    learning_rate: float = 1e-4
    final_learning_rate: float = 1e-7
    schedule: Literal["cosine", "one-cycle", "halving"] = "cosine"
    halve_every: int = 0
    """Steps after which "halving" halves the rate."""
    warmup_steps: int = 0
    """Steps over which the rate rises from 0 (one-cycle has its own rise)."""
    betas: tuple[float, float] = (0.9, 0.999)
    clip_norm: float = 0.0
    """Largest norm of the whole gradient; 0 does not clip."""
    ema_decay: float = 0.999
    """Decay of the moving average of the weights, which is validated and saved."""
    distance: Distance = "l1"
    """Distance between images in the loss. The mean squared one ("l2") raises PSNR in a last stage at a low rate."""
    dual: Dual = False
    """Whether dual networks shrink the result back and are trained as well (DRN eq. 1), or a fixed bicubic one does."""
    dual_weight: float = 0.1
    """Lambda, the weight of the dual networks' error."""
    dual_on_hr: bool = False
    """Whether HR pictures are shrunk and upscaled as well (table 7); doubles the work."""
    teacher_share: float = 0.0
    """Share of a teacher's self-ensemble in the targets, for a last stage."""
    precision: Literal["bf16", "float32"] = "bf16"
    """Precision of the loss and its gradients. Processors without AVX-512 compute in float32 in any case."""
    validate_every: int = 500
    """Steps between two validations, each followed by a checkpoint."""
    seed: int = 1

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "lr_patch_px", "validate_every"):
            if getattr(self, name) < 1:
                raise OptionError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not inf > self.learning_rate >= self.final_learning_rate >= 0:
            raise OptionError(f"learning_rate {self.learning_rate} must not be below {self.final_learning_rate=}")
        if self.schedule not in ("cosine", "one-cycle", "halving"):
            raise OptionError(f'schedule is "cosine", "one-cycle" or "halving", not {self.schedule!r}')
        if (self.schedule == "halving") != (self.halve_every > 0):
            raise OptionError('the schedule "halving" and a positive halve_every belong together')
        if self.precision not in ("bf16", "float32"):
            raise OptionError(f'precision is "bf16" or "float32", not {self.precision!r}')
        if self.degradation not in get_args(Degradation):
            raise OptionError(f"degradation is one of {', '.join(get_args(Degradation))}, not {self.degradation!r}")
        for name in ("warmup_steps", "clip_norm", "halve_every"):
            if not getattr(self, name) >= 0:
                raise OptionError(f"{name} must not be negative, got {getattr(self, name)}")
        if not all(0 < factor < 1 for factor in self.shrunk):
            raise OptionError(f"shrunk holds factors between 0 and 1, not {self.shrunk}")
        if self.distance not in get_args(Distance):
            raise OptionError(f'distance is "l1" or "l2", not {self.distance!r}')
        if self.dual not in (False, True, "bicubic"):
            raise OptionError(f'dual is true, false or "bicubic", not {self.dual!r}')
        if not 0 <= self.dual_weight < inf or (self.dual_on_hr and not self.dual):
            raise OptionError(f"dual_weight must not be negative and dual_on_hr needs dual, got {self.dual_weight=}")
        if not 0 <= self.teacher_share <= 1:
            raise OptionError(f"teacher_share must be in [0, 1], got {self.teacher_share}")
        if not all(0 <= beta < 1 for beta in self.betas):
            raise OptionError(f"betas must be in [0, 1), got {self.betas}")
        if not 0 <= self.seed < 2**32:
            raise OptionError(f"seed must be in 0 .. 2**32 - 1, got {self.seed}")
        if not 0 <= self.ema_decay < 1:
            raise OptionError(f"ema_decay must be in [0, 1), got {self.ema_decay}")


@dataclass(frozen=True)
class Recipe:
    """One network and its training."""

    name: str
    architecture: str
    network: NetworkConfig
    training: TrainingOptions
    tables: Mapping[str, Any]
    """`name`, `[network]`, `[training]`, perhaps `[degradations]`, and perhaps a `note` for the model card."""
    degradations: RandomChain | None = None
    """Random degradations, drawn anew for each LR patch. Without it, `degradation` of `[training]` makes them once."""


def read_recipe(path: Path) -> Recipe:
    """
    Raises:
        OptionError: the file is missing or not TOML, or a key is unknown, missing or refused; the message names it.
    """
    return parse_recipe(read_tables(path), where=str(path))


def read_tables(path: Path) -> dict[str, Any]:
    """What a TOML file holds.

    Raises:
        OptionError: the file is missing or not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise OptionError(f"cannot read the recipe {path}: {error}") from error


def read_sections(path: Path, sections: Mapping[str, type]) -> dict[str, Any]:
    """A recipe of a compression: its name, and a dataclass for each of its tables.

    Raises:
        OptionError: the file is missing or not TOML, or a key is unknown, missing or refused; the message names it.
    """
    tables = read_tables(path)
    if set(tables) != {"name", *sections}:
        expected = ", ".join(f"[{name}]" for name in sections)
        raise OptionError(f"{path}: expected name, {expected}, got {', '.join(tables) or 'nothing'}")
    settings: dict[str, Any] = {
        name: read_settings(cls, tables[name], where=f"{path} [{name}]") for name, cls in sections.items()
    }
    return {"name": tables["name"], **settings}


def parse_recipe(tables: Mapping[str, Any], *, where: str) -> Recipe:
    """A recipe from its tables.

    Raises:
        OptionError: a key is unknown, missing or refused; the message names it and `where`.
    """
    if set(tables) - {"note", "degradations"} != {"name", "network", "training"}:
        raise OptionError(
            f"{where}: expected name, perhaps note, [network] and [training], perhaps [degradations], "
            f"got {', '.join(tables) or 'nothing'}"
        )
    if not isinstance(tables["name"], str) or Path(tables["name"]).name != tables["name"]:
        raise OptionError(f"{where}: expected name to be that of a file without its ending, got {tables['name']!r}")
    architecture, network = read_config(tables["network"], where=f"{where} [network]")
    training = read_settings(TrainingOptions, tables["training"], where=f"{where} [training]")
    chain = None
    if "degradations" in tables:
        chain = read_settings(RandomChain, tables["degradations"], where=f"{where} [degradations]")
    return Recipe(tables["name"], architecture, network, training, tables, chain)
