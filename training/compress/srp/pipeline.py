"""Structure-regularised pruning (Zhang, Wang, Qin, Fu, "Learning Efficient Image Super-Resolution Networks via
Structure-Regularized Pruning", ICLR 2022): choose filters, drive them to zero, remove them, fine-tune.
"""

import logging
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from sr_infer.errors import OptionError
from training.checkpoint import dual_path, load_network, provenance, save_network, save_tensors
from training.compress.channel_groups import trace_channel_groups
from training.compress.plots import draw_curves
from training.compress.remove_channels import remove_channels
from training.compress.srp.penalty import GrowingPenalty, GrowthOptions
from training.compress.srp.selection import Selection, select_channels
from training.data.folder import Folder
from training.loop.run_manifest import check_run_manifest, hash_file
from training.loop.trainer import Limits, Trainer
from training.networks import Network, NetworkConfig
from training.networks.cost import count_parameters
from training.recipe import Recipe, TrainingOptions, parse_recipe, read_sections

LOG = logging.getLogger(__name__)
RECORDED_POINTS = 200
"""Points of each curve, over the regularised steps."""


@dataclass(frozen=True, kw_only=True)
class SRPRecipe:
    """How to prune; the network comes from the dense weights.

    Raises:
        OptionError: the regularised steps end before the penalty reaches its ceiling.
    """

    name: str
    selection: Selection
    growth: GrowthOptions
    regularisation: TrainingOptions
    """Its steps beyond `growth.steps` are the stabilising phase."""
    fine_tuning: TrainingOptions

    def __post_init__(self) -> None:
        if self.regularisation.steps < self.growth.steps:
            raise OptionError(
                f"the penalty grows for {self.growth.steps} steps (every x ceiling / increment), but [regularisation] "
                f"has {self.regularisation.steps}; give it more steps, or grow faster"
            )


def read_srp_recipe(path: Path) -> SRPRecipe:
    """
    Raises:
        OptionError: the file is missing or not TOML, or a key is unknown, missing or refused; the message names it.
    """
    sections = {
        "selection": Selection,
        "growth": GrowthOptions,
        "regularisation": TrainingOptions,
        "fine_tuning": TrainingOptions,
    }
    return SRPRecipe(**read_sections(path, sections))


class StructuredPruning:
    """One run in the folder `out`, from dense weights to `<name>-x<scale>.safetensors`.

    The regularised training has its own folder `out/regularised`, with the curves of kept and removed filters in
    `filters.png`; the network behind the removal is `out/removed.safetensors`.
    """

    def __init__(self, recipe: SRPRecipe, dense: Path, out: Path) -> None:
        """Load the dense network, trace it and choose the filters to remove.

        Raises:
            ModelNotFoundError, ModelError: there are no such weights.
            OptionError: the selection does not fit the network, or removes nothing.
        """
        self.recipe, self.dense, self.out = recipe, dense, out
        self.architecture, self.config, self.network, _ = load_network(dense)
        selection = recipe.selection
        self.channel_groups = trace_channel_groups(
            self.network, tied=selection.tied, kept=selection.kept, upsamplers=selection.upsamplers
        )
        self.removed = select_channels(self.network, self.channel_groups, selection)
        if not self.removed:
            raise OptionError("the selection removes nothing from this network; give a smaller target")
        self.filters = self.channel_groups.filters(self.removed)
        self.narrow = remove_channels(self.network, self.channel_groups, self.removed)
        self._regularised = out / "regularised"

    def describe(self) -> str:
        """The table of groups and the sizes before and after."""
        before, after = (count_parameters(network, mean_shift=False) for network in (self.network, self.narrow))
        return f"{self.channel_groups.table(self.removed)}\n{before:,} parameters, {after:,} left"

    def run(self, folder: Folder, *, device: torch.device, limits: Limits, resume: bool) -> Path:
        """Regularise, remove, fine-tune; returns the path of the result.

        Args:
            folder: pictures to train on.
            device: where to train.
            limits: of the regularised training and of the fine-tuning, each.
            resume: continue the run in `out`.

        Raises:
            OptionError: `out` holds a run and `resume` is not set.
            RunError: the run in `out` began with another network or recipe.
        """
        removed = self.out / "removed.safetensors"
        settings = {"recipe": asdict(self.recipe), "network": hash_file(self.dense)}
        check_run_manifest(self.out, settings, resume=resume)
        if not removed.exists():
            narrow, steps = self.narrow, 0
            if self.recipe.growth.ceiling:
                narrow, steps = self._regularise(folder, device, limits, removed)
            recipe = self._trainer_recipe(narrow.config, self.recipe.fine_tuning)
            save_network(removed, narrow, recipe.tables, {"regularised_steps": steps})
            LOG.info("removed the filters: %s", removed)
        return self._fine_tune(removed, folder, device, limits)

    def _regularise(self, folder: Folder, device: torch.device, limits: Limits, removed: Path) -> tuple[Network, int]:
        """The pruned network, and the steps of the penalty; its dual networks go beside `removed`."""
        recipe = self._trainer_recipe(self.config, self.recipe.regularisation)
        trainer = Trainer(recipe, folder, self._regularised, device=device, limits=limits)
        watched = self._watched_layers()
        penalty = GrowingPenalty(
            trainer.network,
            self.filters,
            self.recipe.growth,
            watched=watched.values(),
            record_every=max(1, self.recipe.regularisation.steps // RECORDED_POINTS),
        )
        trainer.hooks["penalty"] = penalty
        trainer.resume_or_start(self.dense)
        trainer.record_cuda_graph()
        network = load_network(trainer.run())[2]
        if duals := trainer.loss.duals.state_dict():
            save_tensors(dual_path(removed), duals, {"of": removed.name})
        if trainer.rank == 0:
            draw_curves(penalty.record, list(watched.items()), self._regularised / "filters.png")
        return remove_channels(network, self.channel_groups, self.removed), trainer.step

    def _watched_layers(self) -> dict[str, str]:
        """A free and a tied layer from the middle of the network, if there are any."""
        layers: dict[str, list[str]] = {}
        for group in self.channel_groups.groups:
            layers.setdefault("tied" if group.is_tied else "free", []).extend(group.layers)
        pruned = {kind: [name for name in names if name in self.filters] for kind, names in layers.items()}
        return {kind: names[len(names) // 2] for kind, names in pruned.items() if names}

    def _fine_tune(self, removed: Path, folder: Folder, device: torch.device, limits: Limits) -> Path:
        _, config, _, header = load_network(removed)
        recipe = self._trainer_recipe(config, self.recipe.fine_tuning)
        trainer = Trainer(recipe, folder, self.out, device=device, limits=limits)
        trainer.resume_or_start(removed)
        steps = header["history"]["regularised_steps"]
        trainer.started_from = f"{steps:,} regularised steps on {provenance(self.dense)}"
        trainer.record_cuda_graph()
        return trainer.run()

    def _trainer_recipe(self, config: NetworkConfig, training: TrainingOptions) -> Recipe:
        selection = self.recipe.selection
        tables = {
            "name": f"{self.recipe.name}-x{config.scale}",
            "note": f"Pruned by SRP, tied filters by {selection.tied_by}, seed {selection.seed}.",
            "network": {"architecture": self.architecture, **asdict(config)},
            "training": asdict(training),
        }
        return parse_recipe(tables, where=f"the recipe {self.recipe.name}")
