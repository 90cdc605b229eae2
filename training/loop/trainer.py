"""The training loop: one network, one recipe, one folder of pictures. A run can be interrupted at any step and resumed.

The parts: `weight_updater` changes the weights by one batch, `checkpointing` saves and restores a run, `validation`
measures, `run_log` reports.
"""

import logging
import time
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

import torch
from torch import Tensor, nn
from tqdm import tqdm

from sr_infer.errors import OptionError, RunError
from sr_infer.resources import peak_resident_bytes
from sr_infer.tiling.self_ensemble import ORIENTATIONS
from training.checkpoint import dual_path, load_matching, load_network, provenance, save_network, save_tensors
from training.data.degraded_bank import DegradedBank, least_side_px
from training.data.folder import Folder, read_pictures
from training.data.patch_bank import PatchBank
from training.loop.checkpointing import load_checkpoint, save_checkpoint
from training.loop.deferred_signals import defer_signals
from training.loop.distributed import Processes
from training.loop.dual_warmup import warm_up_dual_networks
from training.loop.run_log import RunLog
from training.loop.schedule import learning_rate
from training.loop.teacher_targets import SelfEnsemble
from training.loop.validation import mean_psnr_y_db, mean_psnr_y_of_conditions_db, validation_pictures
from training.loop.weight_updater import WeightUpdater
from training.losses import ReconstructionLoss
from training.networks import build_network
from training.recipe import Recipe

LOG = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Limits that end a run before the recipe's steps; the learning rate reaches its floor there."""

    steps: int | None = None
    minutes: float | None = None

    def __post_init__(self) -> None:
        for name in ("steps", "minutes"):
            limit = getattr(self, name)
            if limit is not None and not limit > 0:
                raise OptionError(f"a limit of {name} must be positive, got {limit}; leave it out for the whole recipe")


class Trainer:
    """One run in the folder `out`: `checkpoint.safetensors`, `log.csv`, and at the end `<name>.safetensors`."""

    def __init__(self, recipe: Recipe, folder: Folder, out: Path, *, device: torch.device, limits: Limits) -> None:
        """Read the pictures and build the network.

        Raises:
            ImageError: no picture of the folder can be used.
            OptionError: the batch does not divide among the processes.
        """
        self.recipe, self.out, self.device, self.limits = recipe, out, device, limits
        self.settings = recipe.training
        self.processes = Processes()
        self.rank = self.processes.rank
        self._share = self.processes.share_of(self.settings.batch)
        torch.manual_seed(self.settings.seed)
        self.network = build_network(recipe.architecture, recipe.network).to(device)
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.loss = ReconstructionLoss(
            recipe.network,
            distance=self.settings.distance,
            dual=self.settings.dual,
            dual_weight=self.settings.dual_weight,
            dual_on_hr=self.settings.dual_on_hr,
        ).to(device)
        self.progress_on_device = torch.zeros((), device=device)
        """`progress` at the last step, for losses that change along the run."""
        self.updater = WeightUpdater(self.network, self.loss, self.settings, self.processes, device)
        self.ema = self.updater.ema
        self.hooks = self.updater.hooks
        """Hooks of compressions, by the prefix of their state in the checkpoint."""
        self.self_ensemble: SelfEnsemble | None = None
        self.step = 0
        self.elapsed_s = 0.0
        self.started_from = ""
        self.taught_by = ""
        self.attribution = folder.attribution
        self.log = RunLog(out / "log.csv")
        self._read_data(folder)

    def _read_data(self, folder: Folder) -> None:
        self.bank = self.read_bank(folder.root, folder.train)
        self.validation = validation_pictures(folder, multiple=self.loss.downscale_factors[0])
        LOG.info("%d pictures to train on, %d to validate", len(self.bank), len(self.validation))

    def read_bank(self, root: Path, names: Iterable[str]) -> PatchBank | DegradedBank:
        """Patches of these pictures at the resolutions that the loss needs.

        Raises:
            ImageError: none of them can be used.
        """
        divisors, patch_px = self.loss.downscale_factors, self.settings.lr_patch_px
        if self.recipe.degradations:
            return DegradedBank(
                read_pictures(root, names, least_px=least_side_px(divisors[0], patch_px)),
                divisors=divisors,
                lr_patch_px=patch_px,
                chain=self.recipe.degradations,
                device=self.device,
            )
        return PatchBank(
            read_pictures(root, names, least_px=divisors[0] * patch_px),
            divisors=divisors,
            lr_patch_px=patch_px,
            device=self.device,
            degradation=self.settings.degradation,
            shrunk=self.settings.shrunk,
        )

    @property
    def last_step(self) -> int:
        return min(self.settings.steps, self.limits.steps or self.settings.steps)

    @property
    def progress(self) -> float:
        """0 at the start, 1 at the end, by steps or by minutes, whichever is further."""
        by_minutes = self.elapsed_s / (60 * self.limits.minutes) if self.limits.minutes else 0.0
        return max(self.step / self.last_step, by_minutes)

    def start_from(self, weights: Path) -> None:
        """Load the fitting tensors of earlier weights (another scale, a narrower network), and start a new schedule."""
        fresh = load_matching(self.network, weights, scale=self.recipe.network.scale)
        self.ema.load_state_dict(self.network.state_dict())
        self.started_from = provenance(weights)
        LOG.info("started from %s; left fresh: %s", weights, ", ".join(fresh) or "nothing")

    def learn_from(self, teacher: Path) -> None:
        """Blend the targets with the self-ensemble of these weights, as the recipe's `teacher_share` says.

        Raises:
            ModelNotFoundError, ModelError: there are no such weights.
            OptionError: they are of another scale or range, or the recipe leaves no share to a teacher.
        """
        _, config, network, _ = load_network(teacher)
        mine = self.recipe.network
        if (config.scale, config.value_range) != (mine.scale, mine.value_range):
            raise OptionError(
                f"expected a teacher of x{mine.scale} in 0..{mine.value_range:g}, {teacher.name} is of x{config.scale} "
                f"in 0..{config.value_range:g}"
            )
        if not self.settings.teacher_share:
            raise OptionError(f"{self.recipe.name} leaves nothing to a teacher; set teacher_share in [training]")
        network.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.self_ensemble = SelfEnsemble(network, self.settings.teacher_share)
        self.taught_by = provenance(teacher, with_earlier=False)

    def use_loss(self, loss: nn.Module) -> None:
        """Train with a loss that wraps this trainer's; its own parameters are trained as well."""
        self.updater.use_loss(loss)

    def compile(self) -> None:
        """Let torch compile network and loss at the first step, which takes minutes and makes all other steps faster.

        Measured on DRN-S50 x4 and one thread of an AMD EPYC: 1.3 times as fast.
        """
        self.updater.compile()
        if self.self_ensemble:
            self.self_ensemble.compile()

    def record_cuda_graph(self) -> None:
        """On a GPU, replay the loss and the gradients of every step as one CUDA graph. On a CPU, change nothing."""
        self.updater.record_cuda_graph()

    def resume_or_start(self, weights: Path | None) -> None:
        """Continue from the checkpoint in `out` if there is one, otherwise start, from `weights` if given.

        A start from weights loads or learns their dual networks, see `dual_warmup`.
        """
        if self.checkpoint.exists():
            self.resume()
        elif weights:
            self.start_from(weights)
            self.warm_up_dual_networks(weights)

    def warm_up_dual_networks(self, weights: Path) -> None:
        """Load the dual networks that lie beside `weights`, or learn them, see `dual_warmup`."""

        def batch_loss(generator: torch.Generator) -> Tensor:
            with self.autocast():
                return self.batch_loss(generator)

        seed, processes = self.settings.seed, self.processes
        warm_up_dual_networks(self.loss.duals, weights, batch_loss, seed=seed, processes=processes)

    def run(self) -> Path:
        """Train to the end and write `<name>.safetensors` (averaged weights, float16); returns its path.

        Learnt dual networks go into `<name>-dual.safetensors`.

        On KeyboardInterrupt, write a checkpoint for `resume` and raise it again.

        Raises:
            RunError: loss or weights are no longer finite; the last checkpoint is kept.
            OptionError: the recipe leaves a share to a teacher, and there is none.
        """
        if self.settings.teacher_share and not self.self_ensemble:
            raise OptionError(f"{self.recipe.name} has teacher_share = {self.settings.teacher_share}; give --teacher")
        self.network.train()
        bar = tqdm(total=self.last_step, initial=self.step, unit="step", disable=None if self.rank == 0 else True)
        try:
            with bar:
                self._steps(bar)
        except KeyboardInterrupt:
            if self.updater.is_finite():
                self.save()
            raise
        path = self.out / f"{self.recipe.name}.safetensors"
        if self.rank == 0:
            LOG.info("peak memory of the training: %.0f MB", peak_memory_bytes(self.device) / 1e6)
            save_network(path, self.ema, self.recipe.tables, self.history())
            if duals := self.loss.duals.state_dict():
                save_tensors(dual_path(path), duals, {"of": path.name})
        self.processes.wait()
        return path

    def _steps(self, bar: tqdm) -> None:
        losses = []
        start = time.monotonic() - self.elapsed_s
        while self.progress < 1:
            with defer_signals():
                losses.append(self.one_step())
                self.step += 1
            self.elapsed_s = self._seconds_since(start)
            bar.update()
            if self.step % self.settings.validate_every == 0 or self.progress >= 1:
                loss = self.processes.mean(torch.stack(losses).mean()).item()
                losses.clear()
                self._require_finite(loss)
                psnr_db = self.validate()
                self.elapsed_s = self._seconds_since(start)
                bar.set_postfix(loss=f"{loss:.3f}", psnr_y=f"{psnr_db:.2f}")
                self._write_log(loss, psnr_db)
                self.save()

    def _require_finite(self, loss: float) -> None:
        if not (isfinite(loss) and self.updater.is_finite()):
            raise RunError(
                f"at step {self.step} the loss ({loss:g}) or the weights are no longer finite, at a rate of "
                f"{self.updater.learning_rate:.3g}; the last checkpoint is kept; start anew with a lower rate, or with "
                "a clip_norm"
            )

    def _write_log(self, loss: float, psnr_db: float) -> None:
        if self.rank == 0:
            self.log.write(
                step=self.step,
                progress=self.progress,
                learning_rate=self.updater.learning_rate,
                loss=loss,
                psnr_y_db=psnr_db,
                elapsed_s=self.elapsed_s,
            )

    def _seconds_since(self, start: float) -> float:
        """Equal in all processes where it decides on rates and on the end."""
        seconds = time.monotonic() - start
        return self.processes.agree_on(seconds) if self.limits.minutes else seconds

    def one_step(self) -> Tensor:
        """Update the weights by one batch, that of step `self.step`; returns its loss."""
        rate = learning_rate(self.settings, step=self.step, progress=self.progress)
        generator = torch.Generator().manual_seed(self.settings.seed * 1_000_003 + self.step)
        self.progress_on_device.fill_(self.progress)
        if self.updater.uses_cuda_graph:
            loss = self.updater.replay_gradients(self._draw(generator))
        else:
            loss = self.updater.compute_gradients(lambda: self.batch_loss(generator))
        self.updater.update(self.step, rate)
        return loss.detach()

    def batch_loss(self, generator: torch.Generator) -> Tensor:
        """The loss of one batch, or of this process's share of it, drawn with `generator`."""
        return self.updater.compute_loss(self._draw(generator))

    def _draw(self, generator: torch.Generator) -> list[Tensor]:
        patches = self.bank.draw(self.settings.batch, generator, share=self._share)
        pyramid = [self.to_range(patch) for patch in patches]
        if self.self_ensemble:
            turns = torch.randint(ORIENTATIONS, (self.settings.batch,), generator=generator)[self._share]
            with self.autocast():
                pyramid = self.self_ensemble.blended(pyramid, turns.tolist())
        return pyramid

    def validate(self) -> float:
        """Mean PSNR-Y in dB of the averaged weights over the validation pictures."""
        with self.autocast():
            if self.recipe.degradations:
                return mean_psnr_y_of_conditions_db(self.ema, self.validation)
            return mean_psnr_y_db(self.ema, self.validation, self.settings.degradation)

    def to_range(self, levels: Tensor) -> Tensor:
        """(N, 3, h, w) uint8 as float32 in the network's range."""
        pixels = levels.to(torch.float32, memory_format=torch.channels_last)
        return pixels * (self.recipe.network.value_range / 255)

    def autocast(self) -> AbstractContextManager[None]:
        """The recipe's precision."""
        return self.updater.autocast()

    def history(self) -> dict[str, object]:
        """The history of the run, for the model card."""
        return {
            "steps": self.step,
            "batch": self.settings.batch,
            "lr_patch_px": self.settings.lr_patch_px,
            "minutes": round(self.elapsed_s / 60, 1),
            "device": self.device.type,
            "started_from": self.started_from,
            "taught_by": self.taught_by,
            "pictures": len(self.bank),
            "data": self.attribution,
        }

    def save(self) -> None:
        """Write the whole state to `checkpoint.safetensors`, in one process."""
        if self.rank:
            return
        header = {
            "recipe": self.recipe.tables,
            "step": self.step,
            "elapsed_s": self.elapsed_s,
            "started_from": self.started_from,
            "taught_by": self.taught_by,
        }
        save_checkpoint(self.checkpoint, self.updater, header)

    def resume(self) -> None:
        """Continue from the checkpoint in `out`.

        Raises:
            ModelNotFoundError: there is none.
            RunError: it belongs to another recipe, teacher, network or hook. Only `steps` and `validate_every` may
                change.
        """
        header = load_checkpoint(self.checkpoint, self.updater, recipe=self.recipe.tables, teacher=self.taught_by)
        self.step, self.elapsed_s = header["step"], header["elapsed_s"]
        self.started_from = header["started_from"]

    @property
    def checkpoint(self) -> Path:
        """The file of the run's state."""
        return self.out / "checkpoint.safetensors"


def peak_memory_bytes(device: torch.device) -> int:
    """Peak memory so far: of tensors on a GPU, or of this process on a CPU."""
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else peak_resident_bytes()
