"""MemSR (Wu, Lee, Ma, "MemSR: Training Memory-efficient Lightweight Model for Image Super-Resolution", ICML 2022): a
plain network without skips, initialised from a residual teacher and trained with it.
"""

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import cast

import torch
from torch import Tensor

from sr_infer.errors import ModelError, OptionError
from training.checkpoint import load_network, load_tensors, provenance, save_network, save_tensors
from training.compress.memsr.conversion import carrying_constant, check_teacher, clipped_share, teacher_layers
from training.compress.memsr.distillation import Distillation, DistillationLoss
from training.compress.memsr.initialisation import (
    Initialisation,
    InitialStudent,
    winning_initialisation,
    with_fitted_bridges,
)
from training.compress.memsr.widths import Student
from training.data.folder import Folder, read_pictures
from training.data.patch_bank import PatchBank
from training.loop.run_manifest import check_run_manifest, hash_file
from training.loop.trainer import Limits, Trainer
from training.networks import OnesPlain, Plain, build_network, read_config
from training.networks.convolution_algebra import Convolution
from training.networks.cost import count_parameters
from training.recipe import Recipe, TrainingOptions, parse_recipe, read_sections

LOG = logging.getLogger(__name__)
STUDENTS = {
    "plain-s": (8, 64, 0.0),
    "plain-m": (16, 64, 0.0),
    "plain-l": (16, 100, 0.0),
    "plain-x014": (16, 0, 0.14),
    "plain-x005": (16, 0, 0.05),
}
"""The paper's students: the teacher's number of blocks, which sets the depth, and width or theta."""


@dataclass(frozen=True, kw_only=True)
class MemSRRecipe:
    """How to make a student; its depth and scale come from the teacher."""

    name: str
    student: Student
    initialisation: Initialisation
    distillation: Distillation
    training: TrainingOptions
    blocks: int = 0
    """Residual blocks that the teacher must have; 0 takes any."""

    def with_student(self, name: str) -> "MemSRRecipe":
        """This recipe for one of `STUDENTS`."""
        blocks, width, theta = STUDENTS[name]
        student = replace(self.student, width=width, theta=theta)
        return replace(self, name=f"memsr-{name}", blocks=blocks, student=student)


def read_memsr_recipe(path: Path) -> MemSRRecipe:
    """
    Raises:
        OptionError: the file is missing or not TOML, or a key is unknown, missing or refused; the message names it.
    """
    sections = {
        "student": Student,
        "initialisation": Initialisation,
        "distillation": Distillation,
        "training": TrainingOptions,
    }
    return MemSRRecipe(**read_sections(path, sections))


class PlainStudent:
    """One run in the folder `out`, from a teacher's weights to `<name>-x<scale>.safetensors`.

    `out/initial.safetensors` is the student before its training, with its bridges, and `out/training` the training.
    """

    def __init__(self, recipe: MemSRRecipe, teacher: Path, out: Path, *, student: Path | None = None) -> None:
        """Load the teacher.

        Args:
            recipe: how.
            teacher: its weights.
            out: the run's folder.
            student: result of an earlier run to train further; None makes a new one.

        Raises:
            ModelNotFoundError, ModelError: there are no such weights, or they are no teacher's.
            OptionError: the student is deeper or flatter than this teacher makes it.
        """
        self.recipe, self.teacher_path, self.out, self.student_path = recipe, teacher, out, student
        self.teacher = check_teacher(load_network(teacher)[2])
        blocks = self.teacher.config.blocks
        if recipe.blocks not in (0, blocks):
            raise OptionError(
                f"{recipe.name} is made of a teacher of {recipe.blocks} blocks, and {teacher.name} has {blocks}; give "
                f"another teacher or another student ({', '.join(STUDENTS)})"
            )

    def describe(self) -> str:
        """The teacher's size, as it is and as a plain network."""
        widths = [str(layer.outputs) for layer in teacher_layers(self.teacher)[:-1]]
        parameters = count_parameters(self.teacher, mean_shift=False)
        return (
            f"{self.teacher_path.stem}: {parameters:,} parameters in {self.teacher.config.blocks} residual blocks; "
            f"as a plain network {len(widths) + 1} convolutions, {', '.join(widths[:4])}, .. {widths[-1]} wide"
        )

    def run(self, folder: Folder, *, device: torch.device, limits: Limits, resume: bool) -> Path:
        """Initialise and train; returns the path of the result.

        Args:
            folder: pictures to train on.
            device: where to train; the initialisation is made on the CPU.
            limits: of the training.
            resume: continue the run in `out`.

        Raises:
            OptionError: `out` holds a run and `resume` is not set.
            RunError: the run in `out` began with another teacher, student or recipe.
        """
        initial = self.out / "initial.safetensors"
        settings = {
            "recipe": asdict(self.recipe),
            "teacher": hash_file(self.teacher_path),
            "student": hash_file(self.student_path),
        }
        check_run_manifest(self.out, settings, resume=resume)
        if not initial.exists():
            student = (
                self.initialise(folder) if self.student_path is None else self.continue_from(self.student_path, folder)
            )
            LOG.info("relative errors %s", " ".join(f"{error:.2f}" for error in student.relative_errors))
            self._save(student, initial)
        network, bridges = self._load(initial)
        trainer = self.trainer(network, bridges, folder, device=device, limits=limits)
        if trainer.checkpoint.exists():
            trainer.resume()
        else:
            LOG.info("the student begins at %.2f dB", trainer.validate())
        trainer.record_cuda_graph()
        trainer.run()
        trained = cast(OnesPlain | Plain, trainer.ema.cpu())
        if isinstance(trained, OnesPlain):
            trained = trained.plain(for_half=True)
        path = self.out / f"{trainer.recipe.name}.safetensors"
        if trainer.rank == 0:
            tables = self._trainer_recipe(trained).tables
            save_network(path, trained, tables, trainer.history())
        return path

    def trainer(
        self,
        network: OnesPlain | Plain,
        bridges: Sequence[Convolution],
        folder: Folder,
        *,
        device: torch.device,
        limits: Limits,
    ) -> Trainer:
        """The trainer of `out/training` that starts with this network and these bridges."""
        trainer = Trainer(self._trainer_recipe(network), folder, self.out / "training", device=device, limits=limits)
        trainer.network.load_state_dict(network.state_dict())
        trainer.ema.load_state_dict(network.state_dict())
        made = f"{self.teacher_path.stem}, made plain"
        trainer.started_from = made if self.student_path is None else provenance(self.student_path)
        if self.recipe.distillation.weight:
            teacher, settings = self.teacher.to(device), self.recipe.distillation
            trainer.use_loss(DistillationLoss(trainer.loss, teacher, bridges, settings, trainer.progress_on_device))
        return trainer

    def initialise(self, folder: Folder) -> InitialStudent:
        """The student before its training, made from one patch each of several pictures. Logs C and the share it cuts.

        Raises:
            ImageError: no picture of the folder can be used.
        """
        settings = self.recipe.initialisation
        patches, others = self._patches(folder)
        constant = carrying_constant(self.teacher, patches.split(8))
        share = clipped_share(self.teacher, constant, others.split(8))
        LOG.info("C = %.0f carries all but %.2g of the values on other patches", constant, share)
        initial = winning_initialisation(
            self.teacher, patches, self.recipe.student, settings, seed=self.recipe.training.seed
        )
        LOG.info("widths %s", " ".join(map(str, initial.network.config.widths)))
        return initial

    def continue_from(self, student: Path, folder: Folder) -> InitialStudent:
        """A finished student in the form that can be trained further.

        Raises:
            ModelNotFoundError, ModelError: there are no such weights, or no student of this teacher gave them.
            ImageError: no picture of the folder can be used.
        """
        network, patches = load_network(student)[2], self._patches(folder)[0]
        layers, scale = len(teacher_layers(self.teacher)) - 1, self.teacher.config.scale
        if not isinstance(network, Plain) or (len(network.config.widths), network.config.scale) != (layers, scale):
            raise ModelError(
                f"{student} is no student of {self.teacher_path.stem}: expected {layers + 1} layers, x{scale}"
            )
        return with_fitted_bridges(OnesPlain.centred(network, patches), self.teacher, patches)

    def _patches(self, folder: Folder) -> tuple[Tensor, Tensor]:
        """LR patches in the teacher's range to make the student of, and as many others, (patches, 3, h, w)."""
        count, training = self.recipe.initialisation.patches, self.recipe.training
        scale = self.teacher.config.scale
        names = folder.train[:: max(1, len(folder.train) // count)][:count]
        bank = PatchBank(
            read_pictures(folder.root, names, least_px=scale * training.lr_patch_px),
            divisors=(scale, 1),
            lr_patch_px=training.lr_patch_px,
            device=torch.device("cpu"),
            degradation=training.degradation,
        )
        generator = torch.Generator().manual_seed(training.seed)
        one, other = (bank.draw(count, generator)[0] * (self.teacher.config.value_range / 255) for _ in range(2))
        return one, other

    def _save(self, student: InitialStudent, path: Path) -> None:
        network: OnesPlain | Plain = student.network
        bridges = student.bridges
        if not self.recipe.initialisation.ones:
            network, bridges = student.collapsed()
        tensors = {f"network.{name}": tensor for name, tensor in network.state_dict().items()}
        for index, bridge in enumerate(bridges):
            tensors |= {f"bridges.{index}.weight": bridge.weight, f"bridges.{index}.bias": bridge.bias}
        tables = self._trainer_recipe(network).tables["network"]
        save_tensors(path, tensors, {"network": tables})

    def _load(self, path: Path) -> tuple[OnesPlain | Plain, list[Convolution]]:
        tensors, header = load_tensors(path)
        network = cast(OnesPlain | Plain, build_network(*read_config(header["network"], where=str(path))))
        names = [name.removeprefix("network.") for name in tensors if name.startswith("network.")]
        network.load_state_dict({name: tensors[f"network.{name}"] for name in names})
        layers = range(len(network.config.widths))
        return network, [Convolution(tensors[f"bridges.{i}.weight"], tensors[f"bridges.{i}.bias"]) for i in layers]

    def _trainer_recipe(self, network: OnesPlain | Plain) -> Recipe:
        architecture = "plain-ones" if isinstance(network, OnesPlain) else "plain"
        tables = {
            "name": f"{self.recipe.name}-x{network.config.scale}",
            "note": f"Made plain by MemSR from {self.teacher_path.stem}.",
            "network": {"architecture": architecture, **asdict(network.config)},
            "training": asdict(self.recipe.training),
        }
        return parse_recipe(tables, where=f"the recipe {self.recipe.name}")
