"""`python -m training.adapt RECIPE.toml --from WEIGHTS --data DIR --real DIR`: adapt a trained network to LR pictures
without HR pictures (DRN, algorithm 2 and eq. 9).
"""

import argparse
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

import training
from sr_infer.errors import OptionError
from training.checkpoint import find_weights, load_network
from training.command_line import check_run_folder, run_command
from training.data.folder import Folder, picture_names, read_pictures, scan_folder
from training.data.patch_bank import PatchBank
from training.loop.distributed import choose_device
from training.loop.trainer import Limits, Trainer
from training.recipe import Recipe, TrainingOptions, parse_recipe, read_tables
from training.settings import read_settings

SMALL = Path(training.__file__).parent / "recipes" / "adapt" / "brief.toml"


@dataclass(frozen=True, kw_only=True)
class Adaptation:
    """How to adapt; the network comes from the weights.

    Raises:
        OptionError: rho is no share, or there is no dual network to learn from.
    """

    name: str
    """Appended to the note of the weights."""
    rho: float
    """Share of LR pictures without HR ones in a batch."""
    training: TrainingOptions
    """Its `degradation` makes the paired LR pictures."""

    def __post_init__(self) -> None:
        if not 0 <= self.rho < 1:
            raise OptionError(f"rho must be in [0, 1), got {self.rho}")
        if not self.training.dual:
            raise OptionError("pictures without HR ones teach through the dual network alone; set dual = true")


def read_adaptation(path: Path) -> Adaptation:
    """
    Raises:
        OptionError: the file is missing or not TOML, or a key is unknown, missing or refused; the message names it.
    """
    tables = read_tables(path)
    training = read_settings(TrainingOptions, tables.get("training", {}), where=f"{path} [training]")
    return read_settings(Adaptation, {**tables, "training": training}, where=str(path))


class AdaptationTrainer(Trainer):
    """`sum 1[x is paired] L_P(P(x), y) + lambda L_D(D(P(x)), x)` over a batch of both kinds.

    For an unpaired x, D goes from each image of P down to the LR size, since the images between are not known.
    """

    def __init__(
        self,
        weights: Path,
        adaptation: Adaptation,
        folder: Folder,
        real: Iterable[NDArray[np.uint8]],
        out: Path,
        *,
        device: torch.device,
        limits: Limits,
    ) -> None:
        """
        Args:
            weights: of the network to adapt, with its dual networks beside it if there are such.
            adaptation: how.
            folder: HR pictures.
            real: LR pictures, (h, w, 3) uint8, each side at least the recipe's patch.
            out: folder of the run.
            device: where.
            limits: of the run.

        Raises:
            OptionError: the batch has no picture of one of the kinds, or several processes run.
            ImageError: no picture can be used.
        """
        super().__init__(_recipe(weights, adaptation), folder, out, device=device, limits=limits)
        if self.processes.count > 1:
            raise OptionError("adapt runs in one process; start it without torchrun")
        self.unpaired = round(adaptation.rho * self.settings.batch)
        if self.unpaired == self.settings.batch or (self.unpaired == 0) != (adaptation.rho == 0):
            raise OptionError(f"a batch of {self.settings.batch} cannot hold a share of {adaptation.rho}; enlarge it")
        patch_px = self.settings.lr_patch_px
        self.real = PatchBank(real, divisors=(1,), lr_patch_px=patch_px, device=device)
        self.resume_or_start(weights)

    def batch_loss(self, generator: torch.Generator) -> Tensor:
        batch, paired = self.settings.batch, self.settings.batch - self.unpaired
        pyramid = [self.to_range(patch) for patch in self.bank.draw(paired, generator)]
        if not self.unpaired:
            return self.loss(self.network, pyramid)
        real = self.to_range(self.real.draw(self.unpaired, generator)[0])
        lr = torch.cat((pyramid[0], real))
        images = self.network.pyramid(lr)
        known = [image[:paired] for image in images]
        loss = self.loss.primal(known, pyramid) + self.loss.dual(self.network, known, pyramid)
        return (paired * loss + self.unpaired * self._dual_of(real, [image[paired:] for image in images])) / batch

    def _dual_of(self, real: Tensor, images: list[Tensor]) -> Tensor:
        steps = range(1, len(self.loss.duals) + 1)
        pairs = zip(steps, images[-len(steps) :], strict=True)
        missed = [self.loss.distance(self.loss.shrink(image, step), real) for step, image in pairs]
        return self.loss.dual_weight * torch.stack(missed).sum()


def _recipe(weights: Path, adaptation: Adaptation) -> Recipe:
    architecture, config, _, _ = load_network(weights)
    tables = {
        "name": f"{weights.stem}-{adaptation.name}",
        "note": f"Adapted to unpaired pictures at {adaptation.rho:.0%} of each batch.",
        "network": {"architecture": architecture, **asdict(config)},
        "training": asdict(adaptation.training),
    }
    return parse_recipe(tables, where=f"the recipe {adaptation.name}")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m training.adapt", description=__doc__)
    parser.add_argument("recipe", type=Path, nargs="?", default=SMALL, help=f"TOML file (default: {SMALL.name})")
    parser.add_argument(
        "--from", dest="weights", type=find_weights, required=True, help="the network to adapt: a file, or a run's name"
    )
    parser.add_argument("--data", type=Path, required=True, help="folder tree of HR pictures")
    parser.add_argument("--real", type=Path, required=True, help="folder tree of LR pictures without HR ones")
    parser.add_argument("--rho", type=float, help="share of the latter in a batch, instead of the recipe's")
    parser.add_argument("--out", type=Path, help="folder of the run (default: runs/<name of the result>)")
    parser.add_argument("--resume", action="store_true", help="go on from the run's checkpoint")
    parser.add_argument("--max-steps", type=int, help="end the schedule after so many steps")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, ... (default: auto)")
    options = parser.parse_args(arguments)
    return run_command(lambda: _adapt(options))


def _adapt(options: argparse.Namespace) -> None:
    adaptation = read_adaptation(options.recipe)
    if options.rho is not None:
        adaptation = replace(adaptation, rho=options.rho)
    out = options.out or Path("runs") / f"{options.weights.stem}-{adaptation.name}"
    check_run_folder(out, resume=options.resume)
    real = picture_names(options.real, lr_too=True)
    trainer = AdaptationTrainer(
        options.weights,
        adaptation,
        scan_folder(options.data),
        read_pictures(options.real, real, least_px=adaptation.training.lr_patch_px),
        out,
        device=choose_device(options.device),
        limits=Limits(steps=options.max_steps),
    )
    print(trainer.run())


if __name__ == "__main__":
    sys.exit(main())
