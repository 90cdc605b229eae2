"""int8 files: smaller, close to the float file, and refused where they are not."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper
from PIL import Image
from skimage import data

from exporters.to_onnx import main
from sr_infer.session import shared
from tests.exporters.tiny import save_checkpoint

NETWORK = {"architecture": "srresnet", "scale": 2, "blocks": 2, "width": 16}


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    for name in ("astronaut", "coffee"):
        Image.fromarray(getattr(data, name)()[100:180, 100:180]).save(folder / f"{name}.png")
    return folder


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_checkpoint(tmp_path_factory.mktemp("checkpoint") / "tiny.safetensors", NETWORK)


def weights(path: Path) -> np.ndarray:
    """All int8 kernels of a file, flat."""
    tensors = [t for t in onnx.load(path).graph.initializer if t.data_type == TensorProto.INT8 and len(t.dims) == 4]
    return np.concatenate([numpy_helper.to_array(tensor).ravel() for tensor in tensors])


def test_int8_file_is_close_to_the_float_file(checkpoint: Path, pictures: Path, tmp_path: Path) -> None:
    single, small = tmp_path / "float.onnx", tmp_path / "int8.onnx"
    assert main([str(checkpoint), "--output", str(single)]) == 0
    arguments = ["--int8", "--calibration", str(pictures), "--max-drop", "0.1"]
    assert main([str(checkpoint), "--output", str(small), *arguments]) == 0
    assert shared(small).card.precision == "int8"
    assert shared(small).card.halo_px == shared(single).card.halo_px
    lr = np.ascontiguousarray(data.chelsea()[50:90, 60:110].transpose(2, 0, 1)[None] / np.float32(255))
    difference = np.abs(shared(small).run(lr) - shared(single).run(lr))
    assert 0 < difference.mean() < 0.02
    assert np.abs(weights(small).astype(int)).max() <= 64


def test_full_range_uses_eight_bits(checkpoint: Path, pictures: Path, tmp_path: Path) -> None:
    output = tmp_path / "int8.onnx"
    arguments = ["--int8", "--calibration", str(pictures), "--full-range"]
    assert main([str(checkpoint), "--output", str(output), *arguments]) == 0
    assert np.abs(weights(output).astype(int)).max() == 127


def test_calibration_that_does_not_fit_is_refused_by_the_gate(
    checkpoint: Path, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "black").mkdir()
    Image.fromarray(np.zeros((64, 64, 3), np.uint8)).save(tmp_path / "black" / "black.png")
    output = tmp_path / "out" / "int8.onnx"
    arguments = ["--int8", "--calibration", str(tmp_path / "black"), "--validation", str(pictures)]
    assert main([str(checkpoint), "--output", str(output), *arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: int8 loses ")
    assert error.count("\n") == 1
    assert list(output.parent.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--int8"], "--int8 needs --calibration"),
        (["--full-range"], "belong to --int8"),
        (["--int8", "--calibration", "nowhere"], "nowhere"),
        (["--int8", "--calibration", ".", "--max-drop", "-1"], "max_drop_db"),
    ],
)
def test_options_that_do_not_fit(
    checkpoint: Path, tmp_path: Path, arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(checkpoint), "--output", str(tmp_path / "x.onnx"), *arguments]) == 2
    assert says in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
