"""The static page in a real browser, compared with the Python runtime."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sr_infer import Upscaler
from tests.web.conftest import PHONE, wait_for_port

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
TILE_PX = 128
"""Tile size of the page."""


@pytest.fixture(scope="module")
def dist() -> Path:
    if shutil.which("npm") is None:
        pytest.skip("needs npm")
    subprocess.run(["npm", "ci", "--silent", "--prefix", ROOT / "web"], check=True)
    subprocess.run([sys.executable, ROOT / "web/build.py"], cwd=ROOT, check=True)
    return ROOT / "web/dist"


@pytest.fixture
def address(dist: Path, free_port: int) -> Iterator[str]:
    command = [sys.executable, "-m", "http.server", str(free_port), "--bind", "127.0.0.1", "--directory", dist]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        wait_for_port(free_port)
        yield f"http://127.0.0.1:{free_port}/"
        server.terminate()


def enlarge(page: Any, photograph: np.ndarray, model: str, path: Path) -> np.ndarray:
    """Enlarge a photograph in the page; upload and download are lossless."""
    Image.fromarray(photograph).save(path)
    page.locator("#file").set_input_files(path)
    page.get_by_text(f"{photograph.shape[1]} x {photograph.shape[0]} px").wait_for()
    page.locator("#model").select_option(model)
    page.locator("#start").click()
    page.locator("#save:visible").wait_for()
    print(f"{path.stem}, {model}: {page.locator('#state').inner_text()}, {tab_mb():.0f} MB")
    with page.expect_download() as download:
        page.locator("#save").click()
    assert download.value.suggested_filename == f"{path.stem}-{model}.png"
    with Image.open(download.value.path()) as large:
        return np.asarray(large.convert("RGB"))


def tab_mb() -> float:
    """Largest peak memory of the browser's page processes, in MB."""
    psutil = pytest.importorskip("psutil")
    peaks = [0]
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess, OSError):
            if "--type=renderer" in process.cmdline():
                status = Path(f"/proc/{process.pid}/status").read_text()
                peaks += [int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM")]
    return max(peaks) / 1e6


@pytest.mark.parametrize(
    "model", ["srpn-lite-x2", "srpn-lite-x4", "memsr-plain-m-x4", "drn-s50-x4", "srpn-lite-x4-int8"]
)
def test_the_page_equals_the_python_runtime_to_one_level(
    address: str, visit: Any, photographs: dict[str, np.ndarray], model: str, tmp_path: Path
) -> None:
    page = visit(address)
    for name, photograph in photographs.items():
        large = enlarge(page, photograph, model, tmp_path / f"{name}.png").astype(int)
        expected = Upscaler(model, tile=TILE_PX, threads=1)(photograph)
        assert np.abs(large - expected).max() <= 1
        assert np.mean(large != expected) < 1e-2


def test_a_phone_keeps_transparency_and_refuses_a_broken_file(
    address: str, visit: Any, photographs: dict[str, np.ndarray], tmp_path: Path
) -> None:
    page = visit(address, PHONE)
    (tmp_path / "broken.png").write_bytes(b"not a picture")
    page.locator("#file").set_input_files(tmp_path / "broken.png")
    page.get_by_text("The browser cannot show this image").wait_for()
    assert page.locator("#start").is_disabled()

    alpha = np.full((40, 50, 1), 255, np.uint8)
    alpha[:, 25:] = 0
    Image.fromarray(np.concatenate([photographs["chelsea"][:40, :50], alpha], axis=2)).save(tmp_path / "half.png")
    page.locator("#file").set_input_files(tmp_path / "half.png")
    page.get_by_text("50 x 40 px").wait_for()
    page.locator("#start").click()
    page.locator("#save:visible").wait_for()
    with page.expect_download() as download:
        page.locator("#save").click()
    with Image.open(download.value.path()) as large:
        assert large.size == (100, 80)
        columns = np.asarray(large)[..., 3].mean(axis=0)
        assert columns[:46].min() == 255
        assert columns[54:].max() == 0
    width = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    assert width[0] <= width[1]
    page.screenshot(path=tmp_path / "tab.png", full_page=True)
