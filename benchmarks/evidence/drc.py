"""Each part of dual regression, tested on networks that a CPU trains in a minute.

The table covers four questions: the gain from dual networks (figure 7, tables B and C of the paper), the choice of
widths (table 5), the choice of channels (tables 3 and 6), and adaptation to unpaired images (figure E). Rows with
different constants cannot be compared: delete `drc.jsonl` if a constant below changes.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import mean, stdev
from tempfile import TemporaryDirectory
from typing import Any, Literal, cast

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.evidence.dense import select_training_images
from sr_infer.metrics import psnr_y
from training.adapt import Adaptation, AdaptationTrainer
from training.checkpoint import load_network
from training.compress.drc.pipeline import DualRegressionCompression
from training.compress.drc.pruning import Pruning
from training.compress.drc.recipe import DRCRecipe
from training.compress.drc.search import AlphaOptions
from training.compress.drc.widths import WidthsOptions
from training.data.degradations import Degradation, degrade
from training.data.folder import Folder, read_pictures
from training.evaluate import load_upscaler
from training.loop.trainer import Limits, Trainer
from training.networks import DRNConfig, NetworkConfig, SRResNetConfig
from training.networks.cost import count_parameters
from training.recipe import TrainingOptions, parse_recipe

DRN = DRNConfig(scale=4, blocks=2, features=8)
SRRESNET = SRResNetConfig(scale=4, blocks=2, width=16)
TRAINED_STEPS = 500
DENSE_STEPS = 1200
SEARCHED_STEPS = 150
FINE_TUNED_STEPS = 250
ADAPTED_STEPS = 1500
CPU = torch.device("cpu")


Question = Literal["dense", "dual", "widths", "pruning", "adaptation"]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One run: its question, its network, ratio or degradation (`of`), and the variant that it tries."""

    question: Question
    of: str
    tried: str
    seed: int


def rows(seed: int) -> list[Row]:
    """List all rows of a seed, the most important first."""
    methods = ("gamma 1", "gamma 0", "thinet", "lasso", "l1", "scratch")
    kinds = ("nearest", "bd", "jpeg")
    asked: list[tuple[Question, str, str]] = [
        ("dense", "drn", ""),
        *(("adaptation", kind, tried) for tried in ("not adapted", "rho 0.3, like pairs", "rho 0.3") for kind in kinds),
        *(("dual", "drn", dual) for dual in ("none", "lambda 0.1", "lambda 1", "lambda 0.01", "bicubic")),
        *(("adaptation", kind, "rho 0") for kind in kinds),
        *(("pruning", "0.5", method) for method in methods),
        *(("widths", "0.5", choice) for choice in ("uniform", "searched", "searched without dual")),
        *(("dual", "srresnet", dual) for dual in ("none", "lambda 0.1", "bicubic")),
        *(("pruning", "0.7", method) for method in methods),
        *(("adaptation", kind, "rho 0.7") for kind in kinds),
    ]
    return [Row(question=question, of=of, tried=tried, seed=seed) for question, of, tried in asked]


def measure(row: Row, folder: Folder, work: Path) -> dict[str, Any]:
    """Run one row; returns PSNR-Y on validation images in dB, parameters, and the number of training images.

    The dense network of each seed is trained once and stays in `work`.
    """
    folder = select_training_images(folder)
    home = work / f"dense-{row.seed}"
    dense = home / "evidence.safetensors"
    if not dense.exists():
        _train(DRN, _training_options(DENSE_STEPS, row.seed, rate=1e-3), folder, home)
    with TemporaryDirectory(dir=work) as temporary:
        out = Path(temporary)
        if row.tried in ("", "not adapted"):
            path = dense
        elif row.question == "dual":
            path = _train_with_dual(row, folder, out)
        elif row.question == "adaptation":
            path = _adapt(row, dense, folder, out)
        else:
            path = _compress(row, dense, folder, out)
        _, _, network, _ = load_network(path)
        kind = row.of if row.question == "adaptation" else "bicubic"
        psnr_y_db = _psnr_y_db(path, folder, cast(Degradation, kind))
    parameters = count_parameters(network, mean_shift=True)
    return {"psnr_y_db": round(psnr_y_db, 4), "parameters": parameters, "pictures": len(folder.train)}


def table(results: Iterable[Mapping[str, Any]]) -> str:
    """Format results as Markdown, one line per row with the mean and standard deviation over its seeds."""
    by_settings: dict[tuple[str, str, str], list[Mapping[str, Any]]] = {}
    for result in results:
        by_settings.setdefault(_settings(Row(**result["row"])), []).append(result)
    questions, of, tried = (list(dict.fromkeys(names)) for names in zip(*map(_settings, rows(1)), strict=True))
    lines = ["| question | of | tried | parameters | PSNR-Y | seeds |", "|---|---|---|---|---|---|"]
    for settings in sorted(by_settings, key=lambda s: (questions.index(s[0]), of.index(s[1]), tried.index(s[2]))):
        group = by_settings[settings]
        values = [result["psnr_y_db"] for result in group]
        spread = f" ± {stdev(values):.2f}" if len(values) > 1 else ""
        cells = (*settings, f"{group[0]['parameters']:,}", f"{mean(values):.2f} dB{spread}", len(values))
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def _settings(row: Row) -> tuple[str, str, str]:
    return row.question, row.of, row.tried


def _train_with_dual(row: Row, folder: Folder, out: Path) -> Path:
    training = _training_options(TRAINED_STEPS, row.seed, rate=1e-3)
    choices: dict[str, dict[str, Any]] = {"none": {"dual": False}, "bicubic": {"dual": "bicubic"}}
    changed = choices.get(row.tried) or {"dual_weight": float(row.tried.removeprefix("lambda "))}
    return _train(DRN if row.of == "drn" else SRRESNET, replace(training, **changed), folder, out)


def _compress(row: Row, dense: Path, folder: Folder, out: Path) -> Path:
    is_searched = row.tried.startswith("searched")
    changed: dict[str, Any] = {"gamma": 0.0} if row.tried == "gamma 0" else {}
    if row.tried in ("thinet", "lasso", "l1", "scratch"):
        changed = {"method": "l1" if row.tried == "scratch" else row.tried}
    fine_tuning = _training_options(FINE_TUNED_STEPS, row.seed, rate=5e-4)
    search = _training_options(SEARCHED_STEPS, row.seed, rate=1e-4)
    recipe = DRCRecipe(
        widths=WidthsOptions(ratio=float(row.of), by="search" if is_searched else "uniform", multiple=1),
        alpha=AlphaOptions(learning_rate=3e-2, seed=row.seed),
        search=replace(search, dual=row.tried != "searched without dual", final_learning_rate=1e-4),
        pruning=Pruning(channels_per_step=4, batches=3, batch=4, lr_patch_px=16, seed=row.seed, **changed),
        fine_tuning=fine_tuning,
    )
    compression = DualRegressionCompression(recipe, dense, out)
    path = compression.run(folder, device=CPU, limits=Limits(), resume=False)
    if row.tried == "scratch":
        return _train(load_network(path)[1], fine_tuning, folder, out / "scratch")
    return path


def _adapt(row: Row, dense: Path, folder: Folder, out: Path) -> Path:
    """Adapt with pairs from half of the images and LR images from the others.

    The LR images of the pairs are bicubic, or degraded like the others if the row says "like pairs".
    """
    kind = cast(Degradation, row.of)
    share, _, pairs = row.tried.removeprefix("rho ").partition(", ")
    real = read_pictures(folder.root, folder.train[1::2], least_px=4 * 24)
    training = replace(
        _training_options(ADAPTED_STEPS, row.seed, rate=1e-3), batch=6, degradation=kind if pairs else "bicubic"
    )
    return AdaptationTrainer(
        dense,
        Adaptation(name="adapted", rho=float(share), training=training),
        replace(folder, train=folder.train[::2]),
        (degrade(picture, DRN.scale, kind) for picture in real),
        out,
        device=CPU,
        limits=Limits(),
    ).run()


def _psnr_y_db(weights: Path, folder: Folder, kind: Degradation) -> float:
    upscale = load_upscaler(str(weights), DRN.scale)

    def psnr_y_db(picture: NDArray[np.uint8]) -> float:
        h, w = (min(side, 256) // DRN.scale * DRN.scale for side in picture.shape[:2])
        return psnr_y(upscale(degrade(picture[:h, :w], DRN.scale, kind)), picture[:h, :w], border=DRN.scale)

    pictures = read_pictures(folder.root, folder.validation, least_px=64)
    return mean(psnr_y_db(picture) for picture in pictures)


def _train(config: NetworkConfig, training: TrainingOptions, folder: Folder, out: Path) -> Path:
    architecture = "drn" if isinstance(config, DRNConfig) else "srresnet"
    tables = {
        "name": "evidence",
        "network": {"architecture": architecture, **asdict(config)},
        "training": asdict(training),
    }
    recipe = parse_recipe(tables, where="evidence")
    return Trainer(recipe, folder, out, device=CPU, limits=Limits()).run()


def _training_options(steps: int, seed: int, *, rate: float) -> TrainingOptions:
    return TrainingOptions(
        steps=steps,
        batch=4,
        lr_patch_px=16,
        learning_rate=rate,
        final_learning_rate=1e-6,
        warmup_steps=20,
        clip_norm=1.0,
        dual=True,
        validate_every=steps,
        seed=seed,
    )
