"""A torch module that no reader knows, through the function and through the command."""

import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

from exporters import export_network
from exporters.checkpoints.any_network import load_weights, network_source
from exporters.to_onnx import main
from sr_infer.engine.session import shared
from sr_infer.errors import ModelError, OptionError
from sr_infer.resize import imresize
from tests.exporters.foreign import Attentive, Branched, Classifier, Halving, seeded


def run(path: Path, lr: torch.Tensor) -> torch.Tensor:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return torch.from_numpy(session.run(["sr"], {"lr": lr.numpy()})[0])


def test_list_of_images_of_0_to_255_in_a_few_lines(tmp_path: Path) -> None:
    network = seeded(Attentive())
    card = export_network(network, tmp_path / "mine.onnx", scale=2, value_range=255, licence="MIT").card
    lr = torch.rand(2, 3, 31, 40)
    with torch.no_grad():
        expected = network(255 * lr)[1] / 255
    torch.testing.assert_close(run(tmp_path / "mine.onnx", lr), expected, atol=1e-4, rtol=0)
    assert (card.scale, card.value_range, card.licence, card.architecture) == (2, 1.0, "MIT", "Attentive")
    assert card.min_size_px == 15


def test_first_image_of_a_list_can_be_asked_for() -> None:
    network = seeded(Attentive())
    lr = torch.rand(1, 3, 20, 20)
    with torch.no_grad():
        torch.testing.assert_close(network_source(network, scale=2, image=0).network(lr), network(lr)[0])


@pytest.mark.parametrize("channels", [3, 1])
def test_training_branches_become_one_kernel(tmp_path: Path, channels: int) -> None:
    network = seeded(Branched(channels))
    card = export_network(network, tmp_path / "mine.onnx", scale=1).card
    lr = torch.rand(1, channels, 9, 12)
    with torch.no_grad():
        torch.testing.assert_close(run(tmp_path / "mine.onnx", lr), network(lr), atol=1e-4, rtol=0)
    assert card.params == sum(outputs * (inputs * 9 + 1) for outputs, inputs in ((8, channels), (8, 8), (channels, 8)))
    assert card.colour == ("RGB" if channels == 3 else "Y")


def test_multiple_of_the_sides_is_found(tmp_path: Path) -> None:
    export_network(seeded(Halving()), tmp_path / "mine.onnx", scale=1)
    card = shared(tmp_path / "mine.onnx").card
    assert (card.multiple_of_px, card.min_size_px) == (4, 4)


@pytest.mark.parametrize(
    ("network", "scale", "words"),
    [
        (Classifier(), 1, r"expected an image \(1, 3, height, width\) from Classifier, got shape \(1, 3\)"),
        (Halving(), 2, "scale 2: expected a picture enlarged by 2, got 1x3x64x"),
        (nn.Conv2d(4, 4, 3, padding=1), 1, r"takes \(N, 3, H, W\) or \(N, 1, H, W\)"),
    ],
    ids=["classifier", "scale", "channels"],
)
def test_what_is_no_such_network_is_refused(network: nn.Module, scale: int, words: str) -> None:
    with pytest.raises(ModelError, match=words):
        network_source(network, scale=scale)


def test_scale_out_of_range() -> None:
    with pytest.raises(OptionError, match="scale of at least 1"):
        network_source(Halving(), scale=0)


@pytest.mark.parametrize(
    ("keys", "prefix"),
    [((), "module."), (("params_ema",), ""), (("model", "state_dict"), "model."), (("generator",), "module.")],
)
def test_state_dicts_as_training_code_leaves_them(tmp_path: Path, keys: tuple[str, ...], prefix: str) -> None:
    network, contents = seeded(Branched()), {}
    contents = {f"{prefix}{name}": tensor for name, tensor in network.state_dict().items()}
    for key in reversed(keys):
        contents = {key: contents, "epoch": 3}
    torch.save(contents, tmp_path / "weights.pth")
    found = Branched().eval()
    load_weights(found, tmp_path / "weights.pth")
    for name, tensor in network.state_dict().items():
        torch.testing.assert_close(found.state_dict()[name], tensor)


def test_missing_and_extra_tensors_are_named_in_one_error(tmp_path: Path) -> None:
    state = seeded(Branched()).state_dict()
    state["ema.decay"] = state.pop("tail.bias")
    torch.save(state, tmp_path / "weights.pth")
    with pytest.raises(ModelError, match=r"missing: tail\.bias; unexpected: ema\.decay"):
        load_weights(Branched(), tmp_path / "weights.pth")


@pytest.fixture
def module_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "their_models.py").write_text(
        "from torch import nn\n\n\nclass Net(nn.Sequential):\n    def __init__(self, upscale):\n"
        "        super().__init__(nn.Conv2d(3, 3 * upscale**2, 3, padding=1), nn.PixelShuffle(upscale))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    sys.modules.pop("their_models", None)
    return "their_models:Net"


def test_command_builds_the_class_that_is_named(tmp_path: Path, module_of_the_user: str) -> None:
    reference = nn.Sequential(nn.Conv2d(3, 12, 3, padding=1), nn.PixelShuffle(2))
    torch.save({"params": reference.state_dict()}, tmp_path / "best.pth")
    command = ["--network", module_of_the_user, "--network-options", '{"upscale": 2}', "--scale", "2"]
    output = tmp_path / "ours.onnx"
    assert main([*command, "--weights", str(tmp_path / "best.pth"), "--output", str(output)]) == 0
    lr = torch.rand(1, 3, 8, 8)
    with torch.no_grad():
        torch.testing.assert_close(run(output, lr), reference(lr), atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--network", "their_models:Net"], "with --weights FILE"),
        (["--network", "their_models:Net", "--weights", "best.pth"], "--network needs --scale"),
        (
            ["--network", "their_models:Other", "--weights", "best.pth", "--scale", "2"],
            "cannot build their_models:Other",
        ),
        (["--network", "their_models", "--weights", "best.pth", "--scale", "2"], "package.module:Class"),
        (["best.pth", "--scale", "2"], "belong to --network"),
        (["best.pth", "--value-range", "255"], "--value-range belongs to --network or to an .onnx file"),
    ],
)
def test_options_that_do_not_fit(
    arguments: list[str], words: str, module_of_the_user: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert words in err
    assert err.count("\n") == 1


def test_back_projection_flat_colours_and_tiles_are_in_the_card(tmp_path: Path) -> None:
    """Against `imresize` on the network's own result, in the picture's corners, too."""
    network = seeded(Attentive())
    plain = export_network(network, tmp_path / "plain.onnx", scale=2, value_range=255).card
    card = export_network(network, tmp_path / "mine.onnx", scale=2, value_range=255, back_projection=True).card
    lr = torch.rand(1, 3, 21, 30)
    sr = run(tmp_path / "plain.onnx", lr)[0].permute(1, 2, 0).double().numpy()
    missed = lr[0].permute(1, 2, 0).double().numpy() - imresize(sr, (21, 30))
    expected = sr + imresize(missed, (42, 60))
    found = run(tmp_path / "mine.onnx", lr)[0].permute(1, 2, 0).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert card.halo_px == plain.halo_px + 4
    assert card.macs_per_px > plain.macs_per_px
    assert plain.flat_levels["inside"] >= 1, "random weights answer to flat colours"
    assert plain.tile_db is not None
    assert 20 < plain.tile_db < 70


def test_flat_colours_of_a_network_that_keeps_them(tmp_path: Path) -> None:
    class Doubled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.repeat = nn.ConvTranspose2d(3, 3, 2, stride=2, groups=3, bias=False)
            nn.init.ones_(self.repeat.weight)

        def forward(self, lr: torch.Tensor) -> torch.Tensor:
            sr: torch.Tensor = self.repeat(lr)
            return sr

    card = export_network(Doubled(), tmp_path / "mine.onnx", scale=2).card
    assert card.flat_levels == {"inside": 0, "border": 0}
    assert (card.tile_db, card.tile_levels) == (None, 0)
