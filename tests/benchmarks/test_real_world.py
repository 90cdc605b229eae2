"""The page on pictures as users have them."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data

from benchmarks import real_world
from benchmarks.real_world import main, measure, table
from sr_infer.errors import OptionError
from training.data.conditions import CONDITIONS


def test_a_small_picture_under_every_condition() -> None:
    picture = data.chelsea()[60:125, 120:185]
    found = measure("cat", [picture], 2, photo="srpn-lite-x2")
    assert tuple(found["rows"]) == tuple(CONDITIONS)
    bicubic = found["rows"]["MATLAB bicubic"]
    assert bicubic["clean"] == bicubic["photo"]
    assert bicubic["clean"][0] > bicubic["bicubic"][0] + 0.5
    assert found["rows"]["JPEG 50"]["bicubic"][0] < bicubic["bicubic"][0]
    page = table(found).splitlines()
    assert page[0] == "## cat, x2, 1 pictures"
    assert len(page) == 4 + len(CONDITIONS)
    assert page[4].startswith(f"| MATLAB bicubic | {bicubic['bicubic'][0]:.2f} / {bicubic['bicubic'][1]:.3f} |")


def test_a_model_of_another_scale_is_refused() -> None:
    with pytest.raises(OptionError, match="srpn-lite-x4 is a x4 network"):
        measure("none", [], 2, photo="srpn-lite-x4")


def test_a_model_needs_one_scale_and_an_existing_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.fromarray(np.zeros((64, 64, 3), np.uint8)).save(tmp_path / "a.png")
    with pytest.raises(SystemExit):
        main(["--model", "srpn-lite-x2", "--scale", "2", "--scale", "4"])
    assert main(["--model", "./none.onnx", "--scale", "2", "--data", str(tmp_path)]) == 2
    assert "none.onnx" in capsys.readouterr().err


def test_the_committed_page_is_that_of_the_committed_figures() -> None:
    page = real_world.PAGE.read_text(encoding="utf-8")
    for found in json.loads(real_world.KEPT.read_text(encoding="utf-8")):
        assert table(found) in page
