"""Every recipe for a network trains: two steps of it with one block, tiny patches and all its other settings."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import training
from training.checkpoint import save_network
from training.data.folder import Folder
from training.loop.trainer import Limits, Trainer
from training.recipe import parse_recipe, read_recipe, read_tables

RECIPES = Path(training.__file__).parent / "recipes"
PATHS = sorted(path for path in RECIPES.rglob("*.toml") if "network" in read_tables(path))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, photographs: list[np.ndarray]) -> Folder:
    """Two pictures, large enough for x8."""
    root = tmp_path_factory.mktemp("pictures")
    for index, photograph in enumerate(photographs[:2]):
        Image.fromarray(photograph[:136, 50:186]).save(root / f"{index}.png")
    return Folder(root, ("0.png",), ("1.png",), "")


def small(network: dict[str, Any]) -> dict[str, Any]:
    """One block a stage, narrow where nothing says otherwise."""
    cut = {key: 1 for key in ("blocks", "groups") if key in network}
    cut |= {key: [row[:1] for row in network[key]] for key in ("block_widths", "attention_widths") if key in network}
    if network["architecture"] == "plain":
        cut["widths"] = network.get("widths", [64])[:1] * 4
    return network | cut


@pytest.mark.parametrize("path", PATHS, ids=lambda path: str(path.relative_to(RECIPES)))
def test_every_recipe_trains(path: Path, folder: Folder, tmp_path: Path) -> None:
    assert path.read_text().startswith("#")
    assert read_recipe(path).name == path.stem
    tables = read_tables(path)
    tables["network"] = small(tables["network"])
    tables["training"] |= {"batch": 2, "lr_patch_px": 8}
    recipe = parse_recipe(tables, where=path.name)
    trainer = Trainer(recipe, folder, tmp_path, device=torch.device("cpu"), limits=Limits(steps=2))
    if recipe.training.teacher_share:
        save_network(tmp_path / "teacher.safetensors", trainer.network, recipe.tables, {})
        trainer.learn_from(tmp_path / "teacher.safetensors")
    before = [parameter.detach().clone() for parameter in trainer.updater.parameters]
    assert trainer.run().is_file()
    moved = [not torch.equal(one, other) for one, other in zip(before, trainer.updater.parameters, strict=True)]
    assert sum(moved) > 0.8 * len(moved)
    assert all(torch.isfinite(parameter).all() for parameter in trainer.updater.parameters)
