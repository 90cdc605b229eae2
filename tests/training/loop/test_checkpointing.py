"""Files of earlier versions: an unfinished run resumes, and all weights in the repository load."""

import csv
import shutil
from pathlib import Path

import pytest
import torch

from training.checkpoint import load_network
from training.train import main

EARLIER = Path(__file__).parent / "earlier_checkpoint.safetensors"
"""Step 3 of `RECIPE` on the fixture `pictures`, written before the trainer was split into parts."""
LOSS_AT_STEP_6 = 53.863453
"""Mean loss of the steps 4 to 6 of the unbroken run, by the code that wrote the checkpoint."""
WEIGHTS = Path(__file__).parents[3] / "weights"
RECIPE = """
name = "tiny"

[network]
architecture = "edsr"
scale = 2
blocks = 1
width = 4
tail = "shuffle"

[training]
steps = 6
batch = 2
lr_patch_px = 16
learning_rate = 1e-3
final_learning_rate = 1e-3
precision = "float32"
validate_every = 3
dual = true
"""


def test_an_earlier_run_resumes_and_ends_where_it_would_have_ended(pictures: Path, tmp_path: Path) -> None:
    """The network, its average, its dual network and the state of Adam all decide on the loss."""
    (tmp_path / "recipe.toml").write_text(RECIPE)
    out = tmp_path / "run"
    out.mkdir()
    shutil.copy(EARLIER, out / "checkpoint.safetensors")
    assert main([str(tmp_path / "recipe.toml"), "--data", str(pictures), "--out", str(out), "--resume"]) == 0
    with (out / "log.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == ["6"]
    assert float(rows[0]["loss"]) == pytest.approx(LOSS_AT_STEP_6, rel=1e-4)
    assert load_network(out / "tiny.safetensors")[3]["history"]["steps"] == 6


@pytest.mark.parametrize("path", sorted(WEIGHTS.glob("*.safetensors")), ids=lambda path: path.stem)
def test_all_weights_load_and_upscale(path: Path) -> None:
    _, config, network, header = load_network(path)
    with torch.no_grad():
        sr = network(torch.full((1, 3, 12, 10), config.value_range / 2))
    assert sr.shape == (1, 3, 12 * config.scale, 10 * config.scale)
    assert (sr - config.value_range / 2).abs().mean() < 0.1 * config.value_range, "a grey picture stays grey"
    assert header["history"]["steps"] > 0
