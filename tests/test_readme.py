"""Every command and example of the README runs."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from skimage import data

ROOT = Path(__file__).parent.parent
BLOCKS = re.findall(r"```(sh|sh slow|sh extras|python)\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
INSTALLS = {'pip install ".[train,export]"'}
"""Tested by building and installing the wheel."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What the README takes for granted: a photograph, a folder of photographs, the recipes."""
    Image.fromarray(data.chelsea()[:60, :80]).save(tmp_path / "photo.jpg")
    (tmp_path / "photos").mkdir()
    for index in range(60):
        top = index % 20 * 8
        Image.fromarray(data.coffee()[top : top + 100, index : index + 100]).save(tmp_path / "photos" / f"{index}.png")
    (tmp_path / "training").mkdir()
    (tmp_path / "training" / "recipes").symlink_to(ROOT / "training" / "recipes")
    return tmp_path


@pytest.mark.parametrize("block", [text for kind, text in BLOCKS if kind == "python"])
def test_python_examples_run(block: str, folder: Path) -> None:
    subprocess.run([sys.executable, "-c", block], cwd=folder, check=True)


@pytest.mark.parametrize("block", [text for kind, text in BLOCKS if kind == "sh"])
def test_commands_run(block: str, folder: Path) -> None:
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    for line in block.splitlines():
        if line.startswith("make "):
            subprocess.run([*shlex.split(line, comments=True), "--dry-run"], cwd=ROOT, check=True)
        elif line not in INSTALLS:
            subprocess.run(line, shell=True, cwd=folder, check=True, env={**os.environ, "PATH": path})


@pytest.mark.slow
@pytest.mark.parametrize("block", [text for kind, text in BLOCKS if kind == "sh slow"])
def test_commands_that_need_minutes_run(block: str, folder: Path) -> None:
    test_commands_run(block, folder)


@pytest.mark.slow
@pytest.mark.parametrize("block", [text for kind, text in BLOCKS if kind == "sh extras"])
def test_commands_that_need_more_run(block: str, folder: Path) -> None:
    pytest.importorskip("ray", reason="needs sr-infer[ray]")
    if shutil.which("ffmpeg") is None:
        pytest.skip("needs ffmpeg")
    film = "ffmpeg -v error -loop 1 -i photo.jpg -vf scale=320:180 -frames:v 3 -pix_fmt yuv420p film.mp4"
    subprocess.run(shlex.split(film), cwd=folder, check=True)
    test_commands_run(block, folder)
    frames = "ffprobe -v error -count_frames -show_entries stream=width,height,nb_read_frames -of csv=p=0 larger.mp4"
    assert subprocess.check_output(shlex.split(frames), cwd=folder, text=True).strip() == "640,360,3"
    assert len(list((folder / "large").glob("*.png"))) == 60
