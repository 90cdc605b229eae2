"""int8 files: smaller, close to the float file, and refused where they are not."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto
from PIL import Image
from skimage import data

from exporters.quantization.calibration import read_calibration
from exporters.to_onnx import main
from sr_infer.engine.session import shared
from tests.exporters.tiny import save_checkpoint
from training.checkpoint import load_tensors, save_tensors

NETWORK = {"architecture": "srresnet", "scale": 2, "blocks": 2, "width": 16}
HELD_OUT = "held-out-15.png"
"""A name that training holds out for validation."""


def save(folder: Path, *pictures: tuple[str, str]) -> Path:
    """A folder of photographs' middles, given as name of the photograph and of the file."""
    folder.mkdir()
    for photograph, name in pictures:
        Image.fromarray(getattr(data, photograph)()[100:180, 100:180]).save(folder / name)
    return folder


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures") / "hr"
    return save(folder, ("astronaut", "astronaut.png"), ("coffee", "coffee.png"), ("chelsea", HELD_OUT))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_checkpoint(tmp_path_factory.mktemp("checkpoint") / "tiny.safetensors", NETWORK)


@pytest.fixture(scope="module")
def repeats_pixels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that enlarges by repeating every pixel."""
    network = {"architecture": "plain", "scale": 2, "widths": [3]}
    path = save_checkpoint(tmp_path_factory.mktemp("checkpoint") / "repeats.safetensors", network)
    tensors, header = load_tensors(path)
    for name, tensor in tensors.items():
        tensor.zero_()
        centre = tensor[:, :, 1, 1] if tensor.ndim == 4 else tensor
        if name.endswith("weight"):
            centre.copy_(torch.eye(3).repeat_interleave(len(tensor) // 3, dim=0))
    save_tensors(path, tensors, header)
    return path


def test_int8_file_is_close_to_the_float_file(
    checkpoint: Path, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    single, small, report = tmp_path / "float.onnx", tmp_path / "int8.onnx", tmp_path / "report.json"
    assert main([str(checkpoint), "--output", str(single)]) == 0
    arguments = ["--int8", "--calibration", str(pictures), "--report", str(report)]
    assert main([str(checkpoint), "--output", str(small), *arguments]) == 0
    assert f"dB lost on 1 pictures of {pictures} that do not calibrate" in capsys.readouterr().out
    assert shared(small).card.precision == "int8"
    assert shared(small).card.halo_px == shared(single).card.halo_px
    lr = np.ascontiguousarray(data.chelsea()[50:90, 60:110].transpose(2, 0, 1)[None] / np.float32(255))
    difference = np.abs(shared(small).run(lr) - shared(single).run(lr))
    assert 0 < difference.mean() < 0.02
    figures = json.loads(report.read_text())
    assert {"align_channels to 4", "channels_last", "integer_mean"} <= {one["name"] for one in figures["passes"]}
    assert figures["int8"]["psnr_drop_db"] <= 0.1
    assert figures["int8"]["worst_drop_db"] >= figures["int8"]["psnr_drop_db"]
    assert set(figures["int8"]["speed"]) == {"1 threads", "2 threads"}
    assert all(tiles["largest_levels"] <= 2 for tiles in figures["tiles"].values())


def test_odd_widths_become_those_that_8_bits_are_fast_with(pictures: Path, tmp_path: Path) -> None:
    network = {"architecture": "edsr", "scale": 2, "blocks": 2, "width": 10, "tail": "shuffle"}
    checkpoint = save_checkpoint(tmp_path / "odd.safetensors", network)
    small = tmp_path / "int8.onnx"
    assert main([str(checkpoint), "--output", str(small), "--int8", "--calibration", str(pictures)]) == 0
    kernels = [tensor for tensor in onnx.load(small).graph.initializer if tensor.data_type == TensorProto.INT8]
    read = {tensor.dims[1] for tensor in kernels if len(tensor.dims) == 4}
    assert read in ({3, 12}, {3, 16}), "16 where the float file was measured to be faster with it"


def test_loss_is_measured_on_pictures_that_do_not_calibrate(pictures: Path) -> None:
    calibration = read_calibration(pictures, None, 2)
    assert [pair.name for pair in calibration.held_out] == [Path(HELD_OUT).stem]
    assert len(calibration.crops) == 2
    everything = read_calibration(pictures, pictures, 2)
    assert (len(everything.crops), len(everything.held_out)) == (3, 3)


def test_broken_pictures_do_not_calibrate(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = save(tmp_path / "hr", ("astronaut", "astronaut.png"), ("chelsea", HELD_OUT))
    (folder / "broken.png").write_bytes(b"no picture")
    assert len(read_calibration(folder, None, 2).crops) == 1
    assert "broken.png" in caplog.text


def test_calibration_takes_as_many_pictures_as_it_may(tmp_path: Path) -> None:
    (tmp_path / "hr").mkdir()
    for index in range(101):
        Image.new("RGB", (8, 8)).save(tmp_path / "hr" / f"{index}.png")
    assert len(read_calibration(tmp_path / "hr", tmp_path / "hr", 2).crops) == 96


def test_calibration_that_does_not_fit_is_refused_by_the_gate(
    repeats_pixels: Path, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "black").mkdir()
    Image.fromarray(np.zeros((64, 64, 3), np.uint8)).save(tmp_path / "black" / "black.png")
    output = tmp_path / "out" / "int8.onnx"
    arguments = ["--int8", "--calibration", str(tmp_path / "black"), "--validation", str(pictures)]
    assert main([str(repeats_pixels), "--output", str(output), *arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: int8 is not worth it within 0.1 dB")
    assert error.count("\n") == 1
    assert list(output.parent.iterdir()) == []


def test_folder_without_held_out_pictures(checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = save(tmp_path / "few", ("astronaut", "astronaut.png"))
    assert main([str(checkpoint), "--output", str(tmp_path / "x.onnx"), "--int8", "--calibration", str(folder)]) == 2
    assert "give --validation DIR" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [folder]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--int8"], "--int8 needs --calibration"),
        (["--full-range"], "belong to --int8"),
        (["--max-drop", "0.05"], "belong to --int8"),
        (["--int8", "--calibration", "nowhere"], "nowhere"),
        (["--int8", "--calibration", ".", "--max-drop", "0"], "max_drop_db"),
    ],
)
def test_options_that_do_not_fit(
    checkpoint: Path, tmp_path: Path, arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(checkpoint), "--output", str(tmp_path / "x.onnx"), *arguments]) == 2
    assert says in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
