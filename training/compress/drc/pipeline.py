"""Dual regression compression (Guo et al., "Towards Lightweight Super-Resolution with Dual Regression Learning",
arXiv 2207.07929, section 3.2): search the channel numbers, prune to them, fine-tune. Every stage can be resumed.
"""

import copy
import json
import logging
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from sr_infer.errors import OptionError, RunError
from training.checkpoint import dual_path, load_network, provenance, save_network, save_tensors
from training.compress.cost import Cost, CountedCost, read_latency_table
from training.compress.drc.distillation import TailDistillation
from training.compress.drc.pruning import ChannelPruning
from training.compress.drc.recipe import DRCRecipe
from training.compress.drc.search import ChannelSearch
from training.compress.drc.widths import read_widths, write_widths
from training.compress.inner_layers import find_inner_layers
from training.compress.plots import draw_search, write_curve
from training.data.folder import Folder
from training.loop.run_manifest import check_run_manifest, hash_file
from training.loop.trainer import Limits, Trainer
from training.networks import DRN, Network, NetworkConfig
from training.networks.cost import count_parameters
from training.recipe import Recipe, TrainingOptions, parse_recipe

LOG = logging.getLogger(__name__)
RECORDED_POINTS = 200
"""Points of the search curve."""


class DualRegressionCompression:
    """One run in the folder `out`, for example from the weights `drn-s-x4` to `drn-s50-x4.safetensors` with ratio 0.5.

    It leaves `search/` with `curve.csv` and `curve.png`, `widths.toml`, `pruning/`, `pruned.safetensors`, the
    fine-tuned weights with `log.csv`, and `stages.jsonl` with a line for every stage that is done.
    """

    def __init__(
        self,
        recipe: DRCRecipe,
        dense: Path,
        out: Path | None = None,
        *,
        widths: Path | None = None,
        teacher: Path | None = None,
    ) -> None:
        """Load the dense network and find its inner layers.

        Args:
            recipe: how.
            dense: weights.
            out: folder of the run; `runs/<name of the result>` by default.
            widths: a widths file to prune to, instead of a search.
            teacher: weights of a larger DRN to learn from while fine-tuning.

        Raises:
            ModelNotFoundError, ModelError: there are no such weights.
            OptionError: the widths, the latency table or the teacher do not fit the network, or no candidate is narrow
                enough.
        """
        self.recipe, self.dense, self.teacher_path = recipe, dense, teacher
        self.architecture, self.config, self.network, _ = load_network(dense)
        self.inner = find_inner_layers(self.network)
        self.cost = self._cost()
        self.given = read_widths(widths, self.inner) if widths else None
        self.teacher = self._load_teacher(teacher) if teacher else None
        scale = f"-x{self.config.scale}"
        self.name = f"{dense.stem.removesuffix(scale)}{round(100 * recipe.widths.ratio)}{scale}"
        self.out = out or Path("runs") / self.name
        if recipe.widths.by == "search" and not self.given:
            narrowest = [{min(recipe.widths.candidates(width)): 0.0} for width in self.inner.widths]
            recipe.widths.projected(narrowest, self.cost)

    def describe(self) -> str:
        """The layers that may become narrower, their candidates, and the dense size."""
        kinds = Counter((width, self.recipe.widths.candidates(width)) for width in self.inner.widths)
        lines = [
            f"{count} layers of {width} channels, to {', '.join(map(str, to))}" for (width, to), count in kinds.items()
        ]
        if self.recipe.widths.by == "search" and not self.given and all(len(to) == 1 for _, to in kinds):
            lines.append(
                "every layer has one candidate width, so the search decides nothing; give a smaller multiple or more "
                "factors"
            )
        return "\n".join([*lines, f"{count_parameters(self.network, mean_shift=True):,} parameters"])

    def run(self, folder: Folder, *, device: torch.device, limits: Limits, resume: bool) -> Path:
        """Search, prune, fine-tune; returns the path of the result.

        Args:
            folder: pictures to learn from.
            device: where.
            limits: of each training; its steps also bound the batches of a pruning step.
            resume: continue the run in `out`.

        Raises:
            OptionError: `out` holds a run and `resume` is not set.
            RunError: the run in `out` began with other weights or settings.
        """
        widths_file, pruned = self.out / "widths.toml", self.out / "pruned.safetensors"
        self._check_run(resume)
        if not widths_file.exists():
            with self._stage("widths") as record:
                widths = self.given or self._choose_widths(folder, device, limits)
                write_widths(widths_file, self.network, self.inner, widths)
                record |= {"psi": self.recipe.widths.budget, "share": self.cost.of(widths) / self.cost.dense}
        widths = read_widths(widths_file, self.inner)
        if not pruned.exists():
            with self._stage("pruning") as record:
                narrow = self._prune(widths, folder, device, limits, pruned)
                record |= {
                    "method": self.recipe.pruning.method,
                    "parameters": count_parameters(narrow, mean_shift=True),
                }
        with self._stage("fine-tuning") as record:
            path, record["validation_psnr_y_db"] = self._fine_tune(pruned, folder, device, limits)
        return path

    def _check_run(self, resume: bool) -> None:
        if torch.distributed.is_initialized():
            raise OptionError("compress drc runs in one process; start it without torchrun")
        settings = {
            "recipe": asdict(self.recipe),
            "network": hash_file(self.dense),
            "list of widths": self.given,
            "teacher": hash_file(self.teacher_path),
        }
        check_run_manifest(self.out, settings, resume=resume)

    def _load_teacher(self, path: Path) -> DRN:
        architecture, config, network, _ = load_network(path)
        if isinstance(network, DRN) and self.architecture == architecture and config.scale == self.config.scale:
            return network
        mine, its = f"{self.architecture} x{self.config.scale}", f"{architecture} x{config.scale}"
        raise OptionError(f"a teacher is for DRNs of one scale; the network is {mine}, {path} is {its}")

    def _cost(self) -> Cost:
        settings = self.recipe.widths
        if settings.budget != "ms":
            return CountedCost(self.network, self.inner, settings.budget)
        candidates = [settings.candidates(width) for width in self.inner.widths]
        return read_latency_table(Path(settings.latency_table), self.inner, candidates)

    def _choose_widths(self, folder: Folder, device: torch.device, limits: Limits) -> tuple[int, ...]:
        settings = self.recipe.widths
        if settings.by == "uniform":
            return settings.uniform(self.inner)
        widths = self._search(folder, device, limits)
        left = self.cost.of(widths)
        if left > settings.allowed(self.cost):
            raise RunError(f"the widths cost {left}, more than {settings.allowed(self.cost)}; please report it")
        return widths

    def _search(self, folder: Folder, device: torch.device, limits: Limits) -> tuple[int, ...]:
        out = self.out / "search"
        half = replace(folder, train=folder.train[::2])
        trainer = Trainer(self._recipe(self.config, self.recipe.search), half, out, device=device, limits=limits)
        search = ChannelSearch(
            trainer,
            self.inner,
            trainer.read_bank(folder.root, folder.train[1::2]),
            widths=self.recipe.widths,
            alpha=self.recipe.alpha,
            cost=self.cost,
            record_every=max(1, trainer.last_step // RECORDED_POINTS),
        )
        trainer.hooks["penalty"] = search
        trainer.resume_or_start(self.dense)
        trainer.run()
        write_curve(search.record, out / "curve.csv")
        draw_search(search.record, out / "curve.png", budget=1 - self.recipe.widths.ratio)
        return search.chosen()

    def _prune(
        self, widths: tuple[int, ...], folder: Folder, device: torch.device, limits: Limits, path: Path
    ) -> Network:
        settings = self.recipe.pruning
        settings = replace(settings, batches=min(settings.batches, limits.steps or settings.batches))
        training = replace(self.recipe.fine_tuning, batch=settings.batch, lr_patch_px=settings.lr_patch_px)
        recipe = self._recipe(self.config, training)
        trainer = Trainer(recipe, folder, self.out / "pruning", device=device, limits=limits)
        trainer.start_from(self.dense)
        searched = self.out / "search" / f"{recipe.name}.safetensors"
        has_own = dual_path(self.dense).is_file() or not searched.is_file()
        trainer.warm_up_dual_networks(self.dense if has_own else searched)
        generator = torch.Generator().manual_seed(settings.seed)
        batches = [
            [trainer.to_range(patch) for patch in trainer.bank.draw(settings.batch, generator)]
            for _ in range(settings.batches)
        ]
        narrow = ChannelPruning(
            trainer.network,
            copy.deepcopy(trainer.network),
            self.inner,
            widths,
            settings=settings,
            loss=trainer.loss,
            batches=batches,
            checkpoint=trainer.out / "checkpoint.safetensors",
        ).run()
        tables = self._recipe(narrow.config, self.recipe.fine_tuning).tables
        if duals := trainer.loss.duals.state_dict():
            save_tensors(dual_path(path), duals, {"of": path.name})
        save_network(path, narrow, tables, {})
        return narrow

    def _fine_tune(self, pruned: Path, folder: Folder, device: torch.device, limits: Limits) -> tuple[Path, float]:
        _, config, _, _ = load_network(pruned)
        recipe = self._recipe(config, self.recipe.fine_tuning)
        trainer = Trainer(recipe, folder, self.out, device=device, limits=limits)
        if self.teacher:
            teacher = self.teacher.to(device)
            trainer.use_loss(TailDistillation(trainer.loss, teacher, self.recipe.distillation_weight))
        trainer.resume_or_start(pruned)
        trainer.started_from = provenance(self.dense)
        trainer.record_cuda_graph()
        return trainer.run(), trainer.validate()

    def _recipe(self, config: NetworkConfig, training: TrainingOptions) -> Recipe:
        settings = self.recipe.widths
        tables = {
            "name": self.name,
            "note": f"Compressed by dual regression to {1 - settings.ratio:.0%} of the {settings.budget}.",
            "network": {"architecture": self.architecture, **asdict(config)},
            "training": asdict(training),
        }
        return parse_recipe(tables, where=f"the recipe of {self.name}")

    @contextmanager
    def _stage(self, name: str) -> Iterator[dict[str, Any]]:
        """Times a stage and adds a line with its record to `stages.jsonl` when it is done."""
        LOG.info("%s ...", name)
        start = time.monotonic()
        record: dict[str, Any] = {"stage": name}
        yield record
        record["minutes"] = round((time.monotonic() - start) / 60, 2)
        LOG.info("%s", record)
        with (self.out / "stages.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
