"""The command prints the speed of a recipe, and waiting does not count as work."""

import re
import time
from pathlib import Path

import pytest
import torch
from PIL import Image
from skimage import data

from benchmarks.training_step import main, step_time
from training.data.folder import is_validation

RECIPE = Path(__file__).parents[2] / "training" / "recipes" / "drn-xs-x4.toml"


def test_waiting_is_not_work() -> None:
    network = torch.nn.Conv2d(16, 16, 3, padding=1)
    batch = torch.randn(4, 16, 64, 64)

    def step() -> None:
        network(batch).sum().backward()

    def waiting_step() -> None:
        step()
        time.sleep(0.2)

    cpu = torch.device("cpu")
    busy, waiting = step_time(step, cpu, steps=3), step_time(waiting_step, cpu, steps=3)
    assert waiting.step_ms > 200
    assert waiting.busy_share < 0.5 < busy.busy_share <= 1


def test_the_command_prints_speed_and_memory(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = [f"{number}.png" for number in range(1000)]
    for name in (names[0], next(filter(is_validation, names))):
        Image.fromarray(data.coffee()).save(tmp_path / name)
    assert main([str(RECIPE), "--data", str(tmp_path), "--steps", "2", "--device", "cpu"]) == 0
    line = capsys.readouterr().out
    found = re.fullmatch(
        r"drn-xs-x4 on cpu: ([\d.]+) ms for a step of 4 LR patches of 16 px, ([\d.]+) patches/s, "
        r"device busy \d+% of the time, peak memory \d+ MB\n",
        line,
    )
    assert found is not None, line
    assert float(found[2]) == pytest.approx(4000 / float(found[1]), rel=0.02, abs=0.06)
