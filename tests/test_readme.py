"""Every command and example of the README and the docs runs, and every link between their pages leads somewhere.

A block is run if its kind is `python` or `sh`. Kinds with a second word are slow: `sh slow` needs minutes, `sh extras`
and `python extras` need optional packages. `sh hours` and blocks of no kind are not run. All blocks of a page share a
folder.
"""

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
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.glob("*.md"))]
INSTALLS = {"pip install .", 'pip install ".[train,export]"'}
"""Tested by building and installing the wheel."""


def blocks(page: Path, kinds: str) -> list[tuple[str, str]]:
    """Language and text of a page's code blocks, in order."""
    return re.findall(rf"```({kinds})\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)


def pages_with(kinds: str) -> list[Path]:
    return [page for page in PAGES if blocks(page, kinds)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What the pages take for granted: a photograph, a folder of photographs, the recipes, the weights."""
    Image.fromarray(data.chelsea()[:60, :80]).save(tmp_path / "photo.jpg")
    (tmp_path / "photos").mkdir()
    for index in range(60):
        top = index % 20 * 8
        Image.fromarray(data.coffee()[top : top + 100, index : index + 100]).save(tmp_path / "photos" / f"{index}.png")
    (tmp_path / "training").mkdir()
    (tmp_path / "training" / "recipes").symlink_to(ROOT / "training" / "recipes")
    (tmp_path / "weights").symlink_to(ROOT / "weights")
    return tmp_path


def run_blocks(page: Path, kinds: str, folder: Path) -> None:
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    for kind, text in blocks(page, kinds):
        if kind.startswith("python"):
            subprocess.run([sys.executable, "-c", text], cwd=folder, check=True)
            continue
        for line in text.replace("\\\n", "").splitlines():
            if line.startswith("make "):
                subprocess.run([*shlex.split(line, comments=True), "--dry-run"], cwd=ROOT, check=True)
            elif line and line not in INSTALLS:
                subprocess.run(line, shell=True, cwd=folder, check=True, env={**os.environ, "PATH": path})


@pytest.mark.parametrize("page", pages_with("sh|python"), ids=lambda page: page.name)
def test_blocks_run(page: Path, folder: Path) -> None:
    run_blocks(page, "sh|python", folder)


@pytest.mark.slow
@pytest.mark.parametrize("page", pages_with("sh slow"), ids=lambda page: page.name)
def test_blocks_that_need_minutes_run(page: Path, folder: Path) -> None:
    run_blocks(page, "sh|python|sh slow", folder)  # slow blocks go on from the others of their page


@pytest.mark.slow
@pytest.mark.parametrize("page", pages_with("sh extras|python extras"), ids=lambda page: page.name)
def test_blocks_that_need_extras_run(page: Path, folder: Path) -> None:
    pytest.importorskip("ray", reason="needs sr-infer[ray]")
    if shutil.which("ffmpeg") is None:
        pytest.skip("needs ffmpeg")
    film = "ffmpeg -v error -loop 1 -i photo.jpg -vf scale=320:180 -frames:v 3 -pix_fmt yuv420p film.mp4"
    subprocess.run(shlex.split(film), cwd=folder, check=True)
    run_blocks(page, "sh extras|python extras", folder)
    frames = "ffprobe -v error -count_frames -show_entries stream=width,height,nb_read_frames -of csv=p=0 larger.mp4"
    assert subprocess.check_output(shlex.split(frames), cwd=folder, text=True).strip() == "640,360,3"
    assert len(list((folder / "large").glob("*.png"))) == 60


@pytest.mark.parametrize(
    "page", [*PAGES, ROOT / "ARCHITECTURE.md", *sorted(DOCS.glob("models/*.md"))], ids=lambda p: p.name
)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_pages_of_the_site_link_only_to_pages_of_the_site() -> None:
    for page in DOCS.rglob("*.md"):
        for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
            assert "://" in target or (page.parent / target).resolve().is_relative_to(DOCS), f"{page.name}: {target}"


@pytest.mark.slow
def test_the_site_builds_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs", reason="needs sr-infer[docs]")
    build = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", tmp_path]
    subprocess.run(build, cwd=ROOT, check=True)
    assert "max_memory" in (tmp_path / "api.html").read_text(encoding="utf-8")
    for page in tmp_path.rglob("*.html"):
        loaded = re.findall(
            r"<(?:script|img|link)[^>]+(?:src|href)=.?(https?://[^ >]+)", page.read_text(encoding="utf-8")
        )
        assert not loaded, f"{page.name} loads {loaded}"


def test_every_page_is_in_the_menu_of_the_site() -> None:
    menu = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    for page in DOCS.rglob("*.md"):
        assert f": {page.relative_to(DOCS).as_posix()}\n" in menu
