"""Checkpoints of the community, read through spandrel without torchvision."""

import importlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skimage.data
import torch

import sr_infer
from exporters.checkpoints import community
from exporters.checkpoints.read import read_checkpoint
from exporters.to_onnx import main
from sr_infer.engine.session import shared
from sr_infer.errors import ModelError
from sr_infer.metrics import psnr_y

pytestmark = pytest.mark.skipif(not community.is_installed(), reason=f"needs spandrel: {community.INSTALL}")


def built(architecture: str, name: str, **settings: Any) -> torch.nn.Module:
    """A network of spandrel's with random weights."""
    community._import_spandrel()
    torch.manual_seed(5)
    return getattr(importlib.import_module(f"spandrel.architectures.{architecture}"), name)(**settings).eval()


def test_a_compact_network_is_exported(tmp_path: Path) -> None:
    network = built("Compact.__arch.SRVGG", "SRVGGNetCompact", num_feat=8, num_conv=2, upscale=2)
    torch.save({"params": network.state_dict()}, tmp_path / "compact.pth")
    output = tmp_path / "compact.onnx"
    assert main([str(tmp_path / "compact.pth"), "--output", str(output)]) == 0
    lr = np.random.default_rng(3).random((1, 3, 21, 16), np.float32)
    with torch.no_grad():
        expected = network(torch.from_numpy(lr)).numpy()
    np.testing.assert_allclose(shared(output).run(lr), expected, atol=1e-4)
    assert shared(output).card.scale == 2
    assert "spandrel" in shared(output).card.trained_on


@pytest.fixture(scope="module")
def transformer(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, torch.nn.Module]:
    windows = {"img_size": 16, "window_size": 4, "depths": [2], "num_heads": [2], "embed_dim": 12, "mlp_ratio": 2}
    network = built("SwinIR.__arch.SwinIR", "SwinIR", upscale=2, upsampler="pixelshuffledirect", **windows)
    path = tmp_path_factory.mktemp("transformer") / "swinir.pth"
    torch.save({"params": network.state_dict()}, path)
    return path, network


def test_a_transformer_is_exported_for_windows_of_one_size(
    transformer: tuple[Path, torch.nn.Module], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint, network = transformer
    output = tmp_path / "swinir.onnx"
    assert main([str(checkpoint), "--output", str(output)]) == 0
    assert "windows of 128x128 px" in capsys.readouterr().out
    photograph = np.ascontiguousarray(skimage.data.rocket()[100:292, 200:392])
    with torch.no_grad():
        sr = network(torch.from_numpy(photograph.transpose(2, 0, 1).copy())[None].float() / 255)
    whole = sr[0].permute(1, 2, 0).clamp(0, 1).mul(255).round().byte().numpy()
    tiled = sr_infer.upscale(photograph, output)
    assert psnr_y(tiled, whole, border=0) > 55
    assert sr_infer.upscale(photograph[:30, :150], output).shape == (60, 300, 3)


def test_int8_of_a_transformer_is_refused(
    transformer: tuple[Path, torch.nn.Module], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [str(transformer[0]), "--output", str(tmp_path / "x.onnx"), "--int8", "--calibration", str(tmp_path)]
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert "int8 and the report are for networks of any size" in error
    assert error.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_torchvision_is_not_pretended_to_others() -> None:
    community._import_spandrel()
    assert "torchvision" not in sys.modules or sys.modules["torchvision"].__spec__ is not None


@pytest.mark.parametrize(("tensors", "says"), [({"a.weight": torch.zeros(2, 2)}, "spandrel cannot read it")])
def test_what_nobody_knows(tensors: dict[str, torch.Tensor], says: str, tmp_path: Path) -> None:
    torch.save(tensors, tmp_path / "odd.pth")
    with pytest.raises(ModelError, match=says):
        read_checkpoint(tmp_path / "odd.pth")
