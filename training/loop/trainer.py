"""The training loop: one network, one recipe, one folder of pictures; interruptible at any step and resumable."""

import copy
import json
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn
from tqdm import tqdm

from sr_infer.errors import ModelError, OptionError
from sr_infer.resources import peak_resident_bytes
from sr_infer.tiling.self_ensemble import ORIENTATIONS
from training.checkpoint import (
    dual_path,
    load_matching,
    load_network,
    load_tensors,
    provenance,
    save_network,
    save_tensors,
)
from training.data.folder import Folder, read_pictures
from training.data.patch_bank import PatchBank
from training.loop.cuda_graph import RecordedGradients
from training.loop.deferred_signals import signals_held
from training.loop.distributed import Processes
from training.loop.optimizer_state import below, collect_state, restore_state
from training.loop.run_log import RunLog
from training.loop.run_manifest import without_lengths
from training.loop.schedule import learning_rate
from training.loop.teacher_targets import SelfEnsemble
from training.loop.validation import mean_psnr_y_db, validation_pictures
from training.losses import ReconstructionLoss
from training.networks import build_network
from training.recipe import Recipe

LOG = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What ends a run before the recipe's steps do; the learning rate reaches its floor there."""

    steps: int | None = None
    minutes: float | None = None

    def __post_init__(self) -> None:
        for name in ("steps", "minutes"):
            limit = getattr(self, name)
            if limit is not None and not limit > 0:
                raise OptionError(f"a limit of {name} must be positive, got {limit}; leave it out for the whole recipe")


class Penalty(Protocol):
    """What drives weights beside the loss. `step` counts from 0."""

    def before_update(self, step: int) -> None:
        """Add to the gradients."""

    def after_update(self, step: int, learning_rate: float) -> None:
        """Change the weights."""

    def state(self) -> dict[str, Tensor]:
        """What a checkpoint must keep."""

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Go on from what `state` gave."""


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
        self.objective: nn.Module = self.loss
        """What is minimised: the loss, or something around it."""
        self._compiled: Callable[..., Tensor] | None = None
        self._recorded: RecordedGradients | None = None
        self.progress_on_device = torch.zeros((), device=device)
        """`progress` at the last step, for losses that change along the run."""
        self.ema = copy.deepcopy(self.network).eval().requires_grad_(False)
        self.parameters = [p for p in (*self.network.parameters(), *self.loss.parameters()) if p.requires_grad]
        self.optimizer = torch.optim.Adam(self.parameters, lr=0.0, betas=self.settings.betas, fused=True)
        self.penalty: Penalty | None = None
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
        self.validation = validation_pictures(folder, multiple=self.loss.divisors[0])
        LOG.info("%d pictures to train on, %d to validate", len(self.bank), len(self.validation))

    def read_bank(self, root: Path, names: Iterable[str]) -> PatchBank:
        """Patches of these pictures at the resolutions that the loss needs.

        Raises:
            ImageError: none of them can be used.
        """
        divisors, patch_px = self.loss.divisors, self.settings.lr_patch_px
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
        """Take over the fitting tensors of earlier weights (another scale, a narrower network), with a new schedule."""
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
        """Train with a loss around this trainer's; parameters of its own are learnt along."""
        self.objective = loss.to(self.device)
        known = set(self.parameters)
        own = [p for p in loss.parameters() if p.requires_grad and p not in known]
        self.parameters += own
        self.optimizer.add_param_group({"params": own})

    def compile(self) -> None:
        """Let torch compile network and loss at the first step, which takes minutes and makes all others faster.

        Measured on DRN-S50 x4 and one thread of an AMD EPYC: 1.3 times as fast.
        """
        self._compiled = torch.compile(self.objective)
        if self.self_ensemble:
            self.self_ensemble.compile()

    def record(self) -> None:
        """On a GPU, replay every step's loss and gradients as one CUDA graph; nothing changes elsewhere."""
        if self.device.type == "cuda":
            torch.backends.cudnn.benchmark = True
            self._recorded = RecordedGradients(self._loss_to_record, self.parameters)

    def resume_or_start(self, weights: Path | None) -> bool:
        """Go on from the checkpoint in `out` if there is one, else start, from `weights` if given; returns which."""
        there = (self.out / "checkpoint.safetensors").exists()
        if there:
            self.resume()
        elif weights:
            self.start_from(weights)
        return there

    def run(self) -> Path:
        """Train to the end and write `<name>.safetensors` (averaged weights, float16); returns its path.

        Learnt dual networks go into `<name>-dual.safetensors`.

        KeyboardInterrupt leaves a checkpoint from which `resume` goes on, and is passed on.

        Raises:
            ModelError: loss or weights are no longer finite; the last checkpoint is kept.
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
            if self._is_finite():
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
        began = time.monotonic() - self.elapsed_s
        while self.progress < 1:
            with signals_held():
                losses.append(self.one_step())
                self.step += 1
            self.elapsed_s = self._seconds_since(began)
            bar.update()
            if self.step % self.settings.validate_every == 0 or self.progress >= 1:
                loss = self.processes.mean(torch.stack(losses).mean()).item()
                losses.clear()
                if not (isfinite(loss) and self._is_finite()):
                    rate = self.optimizer.param_groups[0]["lr"]
                    raise ModelError(
                        f"at step {self.step} the loss ({loss:g}) or the weights are no longer finite, at a rate of "
                        f"{rate:.3g}; the last checkpoint is kept; start anew with a lower rate, or with a clip_norm"
                    )
                psnr_db = self.validate()
                self.elapsed_s = self._seconds_since(began)
                bar.set_postfix(loss=f"{loss:.3f}", psnr_y=f"{psnr_db:.2f}")
                if self.rank == 0:
                    self.log.write(
                        step=self.step,
                        progress=self.progress,
                        learning_rate=self.optimizer.param_groups[0]["lr"],
                        loss=loss,
                        psnr_y_db=psnr_db,
                        elapsed_s=self.elapsed_s,
                    )
                self.save()

    def _is_finite(self) -> bool:
        shipped = (parameter.half() for parameter in self.ema.parameters())
        return all(bool(tensor.isfinite().all()) for tensor in (*self.parameters, *shipped))

    def _seconds_since(self, began: float) -> float:
        """The same in all processes where it decides on rates and on the end."""
        seconds = time.monotonic() - began
        return self.processes.agree_on(seconds) if self.limits.minutes else seconds

    def one_step(self) -> Tensor:
        """Update the weights by one batch, that of step `self.step`; returns its loss."""
        rate = learning_rate(self.settings, step=self.step, progress=self.progress)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        generator = torch.Generator().manual_seed(self.settings.seed * 1_000_003 + self.step)
        self.progress_on_device.fill_(self.progress)
        if self._recorded:
            loss = self._recorded(self._draw(generator))
        else:
            with self.autocast():
                loss = self.batch_loss(generator)
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
        self.processes.average_gradients(self.parameters)
        if self.settings.clip_norm:
            nn.utils.clip_grad_norm_(self.parameters, self.settings.clip_norm)
        if self.penalty:
            self.penalty.before_update(self.step)
        self.optimizer.step()
        if self.penalty:
            self.penalty.after_update(self.step, rate)
        self._update_average()
        return loss.detach()

    def batch_loss(self, generator: torch.Generator) -> Tensor:
        """The loss of one batch, or of this process's share of it, drawn with `generator`."""
        return self._loss_of(self._draw(generator))

    def _draw(self, generator: torch.Generator) -> list[Tensor]:
        patches = self.bank.draw(self.settings.batch, generator, share=self._share)
        pyramid = [self.to_range(patch) for patch in patches]
        if self.self_ensemble:
            turns = torch.randint(ORIENTATIONS, (self.settings.batch,), generator=generator)[self._share]
            with self.autocast():
                pyramid = self.self_ensemble.blended(pyramid, turns.tolist())
        return pyramid

    def _loss_of(self, pyramid: Sequence[Tensor]) -> Tensor:
        objective = self.objective if self._compiled is None else self._compiled
        return objective(self.network, pyramid)

    def _loss_to_record(self, pyramid: Sequence[Tensor]) -> Tensor:
        with self.autocast():  # entered within the recording, so that no cast weights from before are reused
            return self._loss_of(pyramid)

    def _update_average(self) -> None:
        """Exponential moving average; its decay rises from 0.1, so that short runs forget their start."""
        decay = min(self.settings.ema_decay, (1 + self.step) / (10 + self.step))
        average = get_ema_multi_avg_fn(decay)
        average(list(self.ema.parameters()), list(self.network.parameters()), self.step)

    def validate(self) -> float:
        """Mean PSNR-Y in dB of the averaged weights over the validation pictures."""
        with self.autocast():
            return mean_psnr_y_db(self.ema, self.validation, self.settings.degradation)

    def to_range(self, levels: Tensor) -> Tensor:
        """(N, 3, h, w) uint8 as float32 in the network's range."""
        pixels = levels.to(torch.float32, memory_format=torch.channels_last)
        return pixels * (self.recipe.network.value_range / 255)

    @contextmanager
    def autocast(self) -> Iterator[None]:
        """The recipe's precision."""
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.settings.precision == "bf16"):
            yield

    def history(self) -> dict[str, object]:
        """What was done so far, for the model card."""
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
        tensors = collect_state(self._modules, self.optimizer)
        if self.penalty:
            tensors |= {f"penalty.{name}": tensor for name, tensor in self.penalty.state().items()}
        header = {
            "recipe": self.recipe.tables,
            "step": self.step,
            "elapsed_s": self.elapsed_s,
            "started_from": self.started_from,
            "taught_by": self.taught_by,
        }
        save_tensors(self.out / "checkpoint.safetensors", tensors, header)

    def resume(self) -> None:
        """Go on from the checkpoint in `out`.

        Raises:
            ModelNotFoundError: there is none.
            ModelError: it belongs to another recipe, network or penalty. Only `steps` and `validate_every` may change.
        """
        path = self.out / "checkpoint.safetensors"
        tensors, header = load_tensors(path)
        if without_lengths(header["recipe"]) != json.loads(json.dumps(without_lengths(self.recipe.tables))):
            raise ModelError(f"{path} belongs to another recipe; resume with the one the run began with")
        if header.get("taught_by", "") != self.taught_by:
            raise ModelError(f"{path} was taught by {header['taught_by']}; give the same --teacher")
        try:
            restore_state(tensors, self._modules, self.optimizer)
        except RuntimeError as error:
            raise ModelError(f"{path} belongs to another recipe: {' '.join(str(error).split())}") from error
        if self.penalty:
            self.penalty.load_state(below("penalty.", tensors))
        self.step, self.elapsed_s = header["step"], header["elapsed_s"]
        self.started_from = header["started_from"]

    @property
    def _modules(self) -> dict[str, nn.Module]:
        return {"network": self.network, "ema": self.ema, "loss": self.objective}


def peak_memory_bytes(device: torch.device) -> int:
    """The most that tensors took on a GPU, or this process on a CPU, so far."""
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else peak_resident_bytes()
