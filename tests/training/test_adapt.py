"""Real runs of `python -m training.adapt` on a tiny DRN."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import training
from training.adapt import main, read_adaptation
from training.checkpoint import load_network, load_tensors
from training.data.degradations import degrade
from training.train import main as train

RECIPES = sorted((Path(training.__file__).parent / "recipes").rglob("adapt/*.toml"))
DENSE = """
name = "tiny"

[network]
architecture = "{architecture}"
scale = 4
blocks = 1
{width} = 8

[training]
steps = 60
batch = 4
lr_patch_px = 8
learning_rate = 2e-3
dual = true
"""
ADAPT = """
name = "adapted"
rho = 0.5

[training]
steps = 25
batch = 8
lr_patch_px = 12
learning_rate = 1e-3
dual = true
dual_weight = 1.0
validate_every = 5
"""


@pytest.fixture(scope="module")
def weights(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_dense(pictures, tmp_path_factory.mktemp("dense"), "drn")


def train_dense(pictures: Path, folder: Path, architecture: str) -> Path:
    width = "features" if architecture == "drn" else "width"
    (folder / "dense.toml").write_text(DENSE.format(architecture=architecture, width=width))
    assert train([str(folder / "dense.toml"), "--data", str(pictures), "--out", str(folder)]) == 0
    return folder / "tiny.safetensors"


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory, photographs: list[np.ndarray]) -> Path:
    """LR pictures whose pixels were dropped, with no HR ones."""
    root = tmp_path_factory.mktemp("real")
    (root / "camera_LR").mkdir()
    for index, photograph in enumerate(photographs):
        Image.fromarray(degrade(photograph, 4, "nearest")).save(root / "camera_LR" / f"{index}.png")
    return root


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "adapt.toml"
    path.write_text(ADAPT)
    return path


def command(recipe: Path, weights: Path, pictures: Path, real: Path, out: Path) -> list[str]:
    folders = ["--data", str(pictures), "--real", str(real), "--out", str(out)]
    return [str(recipe), "--from", str(weights), *folders]


def test_real_pictures_come_back_better_than_without_them(
    recipe: Path, weights: Path, pictures: Path, real: Path, tmp_path: Path, photographs: list[np.ndarray]
) -> None:
    """P and D agree more about pictures of the real kind than after as many steps without them."""
    lr = degrade(photographs[1][40:200, 60:300], 4, "nearest")
    x = torch.from_numpy(lr.transpose(2, 0, 1).copy())[None].float()
    misses = []
    for rho in ("0", "0.5"):
        out = tmp_path / rho
        assert main([*command(recipe, weights, pictures, real, out), "--rho", rho]) == 0
        tensors, _ = load_tensors(out / "checkpoint.safetensors")
        _, _, network, _ = load_network(out / "tiny-adapted.safetensors")
        duals = torch.nn.ModuleList(
            torch.nn.Sequential(
                torch.nn.Conv2d(3, 8, 3, 2, 1, bias=False),
                torch.nn.LeakyReLU(0.2),
                torch.nn.Conv2d(8, 3, 3, 1, 1, bias=False),
            )
            for _ in range(2)
        )
        prefix = "loss.duals."
        duals.load_state_dict({k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)})
        with torch.no_grad():
            misses.append((duals[0](duals[1](network(x))) - x).abs().mean().item())
    assert misses[1] < 0.95 * misses[0]


def test_networks_with_one_image_adapt_too_and_resume(recipe: Path, pictures: Path, real: Path, tmp_path: Path) -> None:
    (tmp_path / "dense").mkdir()
    weights = train_dense(pictures, tmp_path / "dense", "edsr")
    recipe.write_text(ADAPT.replace("learning_rate = 1e-3", "learning_rate = 1e-3\nfinal_learning_rate = 1e-3"))
    for out, runs in (("whole", [["10"]]), ("parts", [["5"], ["10"]])):
        for steps in runs:
            arguments = [*command(recipe, weights, pictures, real, tmp_path / out), "--max-steps", *steps]
            assert main([*arguments, "--resume"]) == 0
            assert main(arguments) == 2
    one, other = (load_tensors(tmp_path / out / "tiny-adapted.safetensors")[0] for out in ("whole", "parts"))
    assert all(torch.equal(one[name], other[name]) for name in one)
    _, _, _, header = load_network(tmp_path / "whole" / "tiny-adapted.safetensors")
    assert header["recipe"]["note"] == "Adapted to unpaired pictures at 50% of each batch."


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("rho = 0.5", "rho = 1.0"), "rho must be in [0, 1)"),
        (("dual = true", "dual = false"), "set dual = true"),
        (("batch = 8", "batch = 1"), "a batch of 1 cannot hold a share of 0.5"),
        (("name", "title"), "unknown key title; known are name, rho, training"),
    ],
)
def test_a_wrong_recipe_is_one_line_and_exit_code_2(
    change: tuple[str, str],
    message: str,
    recipe: Path,
    weights: Path,
    pictures: Path,
    real: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    recipe.write_text(ADAPT.replace(*change))
    capsys.readouterr()
    assert main(command(recipe, weights, pictures, real, recipe.parent / "out")) == 2
    assert message in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.parent.parent.name)
def test_every_recipe_runs_two_steps(
    path: Path, recipe: Path, weights: Path, pictures: Path, real: Path, tmp_path: Path
) -> None:
    assert read_adaptation(path).rho == 0.3
    recipe.write_text(path.read_text().replace("lr_patch_px = 48", "lr_patch_px = 8").replace("= 16", "= 8"))
    assert main([*command(recipe, weights, pictures, real, tmp_path / "out"), "--max-steps", "2"]) == 0


def test_there_are_recipes() -> None:
    assert len(RECIPES) == 2
