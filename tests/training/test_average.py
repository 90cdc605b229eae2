"""Weights averaged by `python -m training.average`."""

from pathlib import Path

import pytest
import torch

from exporters.checkpoints.read import read_checkpoint
from training.average import main
from training.checkpoint import load_network, save_network
from training.networks import PlainConfig, build_network


@pytest.fixture
def weights(tmp_path: Path) -> list[str]:
    """Of two runs of one network, and of a wider one."""
    paths = []
    for index, width in enumerate((4, 4, 6)):
        torch.manual_seed(index)
        config = {"scale": 2, "widths": [width]}
        network = build_network("plain", PlainConfig(scale=2, widths=(width,)))
        paths.append(tmp_path / f"run-{index}.safetensors")
        recipe = {"name": "tiny", "network": {"architecture": "plain", **config}}
        save_network(paths[-1], network, recipe, {"steps": 100 + index, "batch": 4, "lr_patch_px": 16})
    return [str(path) for path in paths]


def test_weights_become_their_mean_and_the_card_says_so(weights: list[str], tmp_path: Path) -> None:
    output = tmp_path / "mean.safetensors"
    assert main([*weights[:2], "--output", str(output)]) == 0
    one, other, mean = (load_network(Path(path))[2].state_dict() for path in (*weights[:2], output))
    for name in mean:
        torch.testing.assert_close(mean[name], (one[name] + other[name]) / 2, rtol=0, atol=1e-3)
    note = read_checkpoint(output).trained_on
    assert "100 steps of 4 LR patches of 16 px averaged with run-1 after 101 steps" in note


def test_only_weights_of_one_network(weights: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "mean.safetensors"
    for given, message in ((weights, "expected weights of one network"), (weights[:1], "at least two weights")):
        assert main([*given, "--output", str(output)]) == 2
        assert message in capsys.readouterr().err
    assert not output.exists()
