"""`python -m benchmarks.auto_choice --data DIR`: how often `model="auto"` picks the better network.

Every held-out picture of the folder is degraded in all fixed ways (`training.data.conditions`), and both the clean and
the photo network enlarge it. The choice sees pixels alone, as in a PNG; the header of a JPEG would only help. The loss
is what the choice loses in PSNR-Y against the better network. `--fit` fits the constants of `sr_infer/choose_model.py`
to training pictures of the folder and prints them.
"""

import argparse
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import binary_cross_entropy_with_logits

from benchmarks.timing.machine import cpu_name
from sr_infer import Upscaler
from sr_infer.choose_model import CLEAN_MODELS, MIN_GRID, PHOTO_MODELS, choose_model
from sr_infer.degradation_signs import grid_strength, sample_luma, spectrum
from sr_infer.errors import SrInferError
from sr_infer.image_io.codec import NO_CODEC
from sr_infer.metrics import psnr_y
from training.data.conditions import CONDITIONS, degrade_by_name
from training.data.degradation_parts import Pixels
from training.data.folder import read_pictures, scan_folder

SIDE_PX = 384
"""Side of the part at the top left of each picture."""
LARGEST_WEIGHT_DB = 0.5
"""A difference above this weighs no more in the fit."""
RIDGE = 1e-5


@dataclass(frozen=True)
class Case:
    """One picture under one degradation."""

    condition: str
    lr: Pixels
    clean_db: float
    photo_db: float
    is_photo_chosen: bool

    @property
    def gain_db(self) -> float:
        """PSNR-Y of the photo network less that of the clean one."""
        return self.photo_db - self.clean_db

    @property
    def loss_db(self) -> float:
        """Loss in PSNR-Y of the choice against the better network."""
        return 0.0 if self.is_photo_chosen == (self.gain_db > 0) else abs(self.gain_db)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.auto_choice", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder tree of HR pictures")
    parser.add_argument("--pictures", type=int, default=1000, help="use at most this many pictures (%(default)s)")
    parser.add_argument("--scale", type=int, default=4, choices=PHOTO_MODELS, help="(%(default)s)")
    parser.add_argument("--fit", action="store_true", help="fit the constants to training pictures and print them")
    options = parser.parse_args(arguments)
    try:
        folder = scan_folder(options.data)
        names = folder.train if options.fit else folder.validation
        evenly = names[:: max(1, len(names) // options.pictures)]
        pictures = read_pictures(folder.root, evenly, least_px=SIDE_PX)
        cases = measure(islice(pictures, options.pictures), options.scale)
    except SrInferError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(fit(cases) if options.fit else table(cases))
    return 0


def measure(pictures: Iterable[Pixels], scale: int) -> list[Case]:
    """Enlarge every picture, (H, W, 3) uint8, by both networks under every condition."""
    clean, photo = (Upscaler(models[scale], threads=1) for models in (CLEAN_MODELS, PHOTO_MODELS))
    cases = []
    for picture in pictures:
        hr = picture[:SIDE_PX, :SIDE_PX]
        for condition in CONDITIONS:
            lr = degrade_by_name(hr, scale, condition)
            clean_db, photo_db = (psnr_y(upscaler(lr), hr, border=scale) for upscaler in (clean, photo))
            is_photo_chosen = choose_model(lr, NO_CODEC, scale)[0] == PHOTO_MODELS[scale]
            cases.append(Case(condition, lr, clean_db, photo_db, is_photo_chosen))
    return cases


def table(cases: list[Case]) -> str:
    """Markdown: a row for each condition, then all cases."""
    lines = [
        f"{len(cases):,} cases on {cpu_name()}",
        "",
        "| LR made by | clean | photo | better one chosen | mean loss |",
        "|---|---|---|---|---|",
    ]
    groups = {condition: [case for case in cases if case.condition == condition] for condition in CONDITIONS}
    for name, group in {**groups, "all": cases}.items():
        clean_db, photo_db, loss_db = (
            float(np.mean([getattr(case, value) for case in group])) for value in ("clean_db", "photo_db", "loss_db")
        )
        right = np.mean([case.loss_db == 0 for case in group])
        lines.append(f"| {name} | {clean_db:.2f} dB | {photo_db:.2f} dB | {right:.0%} | {loss_db:.3f} dB |")
    gains_db = np.array([case.gain_db for case in cases])
    lines += [
        "",
        f"Always the clean network: {np.maximum(gains_db, 0).mean():.3f} dB lost; "
        f"always the photo network: {np.maximum(-gains_db, 0).mean():.3f} dB.",
    ]
    return "\n".join(lines)


def fit(cases: list[Case]) -> str:
    """The constants for `choose_model.py`, from the cases without a JPEG's grid, weighted by what a mistake costs."""
    without_grid = [(case.gain_db, luma) for case in cases if (luma := sample_luma(case.lr)) is not None]
    kept = [(gain_db, spectrum(luma)) for gain_db, luma in without_grid if grid_strength(luma) <= MIN_GRID]
    weights, bias = _fit_logistic(np.stack([features for _, features in kept]), np.array([gain for gain, _ in kept]))
    return f"_SPECTRUM_WEIGHTS = np.array({np.round(weights, 2).tolist()})\n_SPECTRUM_BIAS = {bias:.2f}"


def _fit_logistic(features: NDArray[np.float64], gains_db: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    mean, deviation = features.mean(0), features.std(0)
    inputs = torch.from_numpy((features - mean) / deviation)
    targets = torch.from_numpy((gains_db > 0).astype(np.float64))
    importance = torch.from_numpy(np.minimum(np.abs(gains_db), LARGEST_WEIGHT_DB))
    weights = torch.zeros(inputs.shape[1], dtype=torch.float64, requires_grad=True)
    bias = torch.zeros((), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([weights, bias], max_iter=1000, line_search_fn="strong_wolfe")

    def loss() -> float:
        optimizer.zero_grad()
        value = binary_cross_entropy_with_logits(inputs @ weights + bias, targets, importance)
        value = value + RIDGE * weights.square().sum()
        value.backward()
        return float(value.detach())

    optimizer.step(loss)
    scaled = weights.detach().numpy() / deviation
    return scaled, float(bias.detach()) - float(scaled @ mean)


if __name__ == "__main__":
    sys.exit(main())
