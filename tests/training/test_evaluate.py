"""`python -m training.evaluate` on a small benchmark folder of real photographs."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sr_infer.resize import downscale
from training.evaluate import evaluate, load_upscaler, main


@pytest.fixture
def benchmark_folder(tmp_path: Path, photographs: list[np.ndarray]) -> Path:
    """The layout of the published archives, one picture of it grey, sides no multiples of the scale."""
    (tmp_path / "HR").mkdir()
    (tmp_path / "LR_bicubic" / "X4").mkdir(parents=True)
    for name, hr in {"cat": photographs[1][:150, :171], "grey": photographs[0][:130, 100:231, 0]}.items():
        Image.fromarray(hr).save(tmp_path / "HR" / f"{name}.png")
        Image.fromarray(downscale(hr, 4)).save(tmp_path / "LR_bicubic" / "X4" / f"{name}x4.png")
    return tmp_path


def test_prints_the_mean_and_counts_equal_lr_files(benchmark_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(benchmark_folder), "--model", "bicubic", "--scale", "4", "--check-lr", "--each"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert "mean of   2" in lines[2]
    assert 20 < float(lines[2].split()[-3]) < 40
    assert "2 of 2 LR files equal ours" in lines[3]


def test_a_scale_of_0_is_refused(benchmark_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(benchmark_folder), "--model", "bicubic", "--scale", "0"]) == 2
    assert "--scale must be at least 1, got 0" in capsys.readouterr().err


def test_lr_pictures_are_made_where_none_are_given(benchmark_folder: Path) -> None:
    bicubic = load_upscaler("bicubic", 4)
    assert evaluate(bicubic, benchmark_folder / "HR", 4) == evaluate(bicubic, benchmark_folder, 4)


def test_luma_alone_differs_from_rgb(benchmark_folder: Path) -> None:
    bicubic = load_upscaler("bicubic", 4)
    rgb, y = (evaluate(bicubic, benchmark_folder, 4, luma_only=luma_only)[0] for luma_only in (False, True))
    assert 0 < abs(rgb.psnr_y - y.psnr_y) < 0.1


def test_a_shipped_model_and_its_checkpoint_score_the_same_and_beat_bicubic(benchmark_folder: Path) -> None:
    checkpoint = Path(__file__).parents[2] / "weights" / "srpn-lite-x2.safetensors"
    scores = [
        evaluate(load_upscaler(model, 2), benchmark_folder / "HR", 2)[0].psnr_y
        for model in ("srpn-lite-x2", str(checkpoint), "bicubic")
    ]
    assert scores[0] == pytest.approx(scores[1], abs=0.01)
    assert scores[0] > scores[2] + 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "bicubic", "--scale", "4"], "no pictures in"),
        (["--model", "srpn-lite-x2", "--scale", "4"], "is a x2 network; give --scale 2"),
        (["--model", "nothing.safetensors", "--scale", "4"], "no checkpoint at nothing.safetensors"),
        (["--model", "srpn-light-x2", "--scale", "2"], "srpn-lite-x2"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path), *arguments]) == 2
    errors = capsys.readouterr().err
    assert errors.startswith("error: ")
    assert errors.count("\n") == 1
    assert message in errors
