"""The dense network that SRP prunes and that teaches MemSR's students, and training options for its size."""

from dataclasses import asdict, replace
from pathlib import Path

import torch

from training.data.folder import Folder
from training.loop.trainer import Limits, Trainer
from training.networks import EDSRConfig
from training.recipe import TrainingOptions, parse_recipe

DENSE = EDSRConfig(scale=2, blocks=4, width=32, tail="shuffle")
DENSE_STEPS = 3000
TRAINING_IMAGES = 100
CPU = torch.device("cpu")


def select_training_images(folder: Folder) -> Folder:
    """Keep at most `TRAINING_IMAGES` of the folder's training images."""
    stride = max(1, len(folder.train) // TRAINING_IMAGES)
    return replace(folder, train=folder.train[::stride][:TRAINING_IMAGES])


def train_dense_network(seed: int, folder: Folder, work: Path) -> Path:
    """Train the dense network of a seed once; returns its weights, which stay in `work` beside `log.csv`."""
    home = work / f"dense-{seed}"
    weights = home / "evidence.safetensors"
    if not weights.exists():
        train(DENSE, training_options(DENSE_STEPS, seed, rate=1e-3), folder, home)
    return weights


def train(config: EDSRConfig, settings: TrainingOptions, folder: Folder, out: Path) -> Path:
    """Train from scratch; returns the weights."""
    tables = {
        "name": "evidence",
        "network": {"architecture": "edsr", **asdict(config)},
        "training": asdict(settings),
    }
    recipe = parse_recipe(tables, where="evidence")
    return Trainer(recipe, folder, out, device=CPU, limits=Limits()).run()


def training_options(steps: int, seed: int, *, rate: float) -> TrainingOptions:
    """Options that all training runs of a table share."""
    return TrainingOptions(
        steps=steps,
        batch=8,
        lr_patch_px=24,
        learning_rate=rate,
        final_learning_rate=1e-6,
        warmup_steps=50,
        clip_norm=1.0,
        precision="float32",
        validate_every=steps,
        seed=seed,
    )
