"""Targets from a teacher's self-ensemble, alone and in runs of `python -m training.train`."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from exporters.checkpoints.read import read_checkpoint
from sr_infer.tiling import self_ensemble
from training.checkpoint import load_network, load_tensors
from training.loop.teacher_targets import SelfEnsemble, turned, turned_back
from training.networks import Network
from training.train import main

Train = Callable[..., int]
WEIGHTS = Path(__file__).parents[3] / "weights"


@pytest.fixture
def train(tiny_recipe: Path, pictures: Path, tmp_path: Path) -> Train:
    """Trains the tiny recipe with other settings, given by name, into the folder `out`."""
    text = tiny_recipe.read_text()

    def run(out: str, *options: str, **settings: float) -> int:
        lines = [line for line in text.splitlines() if line.split(" = ")[0] not in settings]
        tiny_recipe.write_text("\n".join([*lines, *(f"{name} = {value}" for name, value in settings.items())]))
        return main([str(tiny_recipe), "--data", str(pictures), "--out", str(tmp_path / out), *options])

    return run


@pytest.fixture
def teacher(train: Train, tmp_path: Path) -> str:
    assert train("teacher") == 0
    return str(tmp_path / "teacher" / "tiny.safetensors")


def test_turns_are_those_of_the_runtime() -> None:
    image = torch.arange(3 * 4 * 4).reshape(3, 4, 4)
    for turn in range(self_ensemble.ORIENTATIONS):
        np.testing.assert_array_equal(turned(image, turn), self_ensemble.orient(image.numpy(), turn))
        assert torch.equal(turned_back(turned(image, turn), turn), image)


@pytest.mark.parametrize("share", [1.0, 0.25])
def test_targets_are_what_the_teacher_makes_of_turned_patches(share: float, teacher: str) -> None:
    network = load_network(Path(teacher))[2]
    lr, hr = 255 * torch.rand(8, 3, 6, 6), 255 * torch.rand(8, 3, 12, 12)
    given, blended = SelfEnsemble(network, share).blended([lr, hr], list(range(8)))
    assert torch.equal(given, lr)
    for index in range(8):
        upright = turned_back(network(turned(lr[index], index)[None])[0], index)
        torch.testing.assert_close(blended[index], share * upright + (1 - share) * hr[index], rtol=0, atol=1e-3)


def test_a_student_comes_near_its_teachers_self_ensemble(train: Train, teacher: str, tmp_path: Path) -> None:
    assert train("run", "--from", teacher, "--teacher", teacher, steps=150, teacher_share=1.0, ema_decay=0.9) == 0
    before, behind = (load_network(path)[2] for path in (Path(teacher), tmp_path / "run" / "tiny.safetensors"))
    lr = 255 * torch.rand(4, 3, 24, 24, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        wanted = _self_ensemble(before, lr)
        errors = [(network(lr) - wanted).square().mean().item() for network in (before, behind)]
    assert errors[1] < 0.7 * errors[0]
    assert (
        "towards the self-ensemble of tiny after 6 steps"
        in read_checkpoint(tmp_path / "run" / "tiny.safetensors").trained_on
    )


def test_a_resumed_run_needs_its_teacher_and_ends_where_an_unbroken_one_does(
    train: Train, teacher: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = {"teacher_share": 0.5, "final_learning_rate": 1e-3}
    assert train("unbroken", "--teacher", teacher, **settings) == 0
    assert train("broken", "--teacher", teacher, "--max-steps", "3", **settings) == 0
    assert train("broken", "--resume", **settings) == 2
    assert "began with another teacher; give another --out" in capsys.readouterr().err
    assert train("broken", "--resume", "--teacher", teacher, **settings) == 0
    unbroken, resumed = (load_tensors(tmp_path / name / "checkpoint.safetensors")[0] for name in ("unbroken", "broken"))
    assert all(torch.equal(unbroken[name], resumed[name]) for name in unbroken)


def test_teacher_and_share_belong_together(
    train: Train, teacher: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train("run", teacher_share=0.5) == 2
    assert "tiny has teacher_share = 0.5; give --teacher" in capsys.readouterr().err
    assert train("run", "--teacher", teacher) == 2
    assert "tiny leaves nothing to a teacher; set teacher_share" in capsys.readouterr().err
    assert train("run", "--teacher", teacher, teacher_share=1.5) == 2
    assert "teacher_share must be in [0, 1], got 1.5" in capsys.readouterr().err


def test_a_teacher_is_of_the_same_scale(train: Train, capsys: pytest.CaptureFixture[str]) -> None:
    other = str(WEIGHTS / "srpn-lite-x4.safetensors")
    assert train("run", "--teacher", other, teacher_share=0.5) == 2
    assert "expected a teacher of x2 in 0..255, srpn-lite-x4.safetensors is of x4 in 0..255" in capsys.readouterr().err


def _self_ensemble(network: Network, lr: Tensor) -> Tensor:
    return torch.stack([turned_back(network(turned(lr, turn)), turn) for turn in range(8)]).mean(0)
