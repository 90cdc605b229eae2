"""Photographs and tiny recipes, so that real training runs take seconds."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data

from training.data.folder import is_validation

TINY = """
name = "tiny"

[network]
architecture = "edsr"
scale = 2
blocks = 1
width = 8
tail = "shuffle"

[training]
steps = 6
batch = 4
lr_patch_px = 16
learning_rate = 1e-3
precision = "float32"
validate_every = 3
"""


@pytest.fixture(scope="session")
def photographs() -> list[np.ndarray]:
    """(H, W, 3) uint8."""
    return [data.astronaut(), data.chelsea(), data.coffee()]


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory, photographs: list[np.ndarray]) -> Path:
    """A folder tree of eight pictures to train on and one to validate."""
    root = tmp_path_factory.mktemp("pictures")
    (root / "below").mkdir()
    names = (f"below/{number}.png" for number in range(10_000))
    training_names = [next(name for name in names if not is_validation(name)) for _ in range(8)]
    validation_name = next(name for name in names if is_validation(name))
    for index, name in enumerate([*training_names, validation_name]):
        top = 16 * index
        Image.fromarray(photographs[index % 3][top : top + 120, 50:170]).save(root / name)
    return root


@pytest.fixture
def tiny_recipe(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.toml"
    path.write_text(TINY)
    return path
