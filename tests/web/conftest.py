"""Fixtures for tests with headless Chromium; they skip the tests without it."""

import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from skimage import data

DESKTOP = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}
WAIT_MS = 240_000


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="needs sr-infer[all]")
    executable = shutil.which("chromium") or shutil.which("google-chrome")
    if executable is None:
        pytest.skip("needs Chromium on the PATH")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def visit(browser: Any) -> Iterator[Any]:
    """Open pages in a viewport; afterwards, check that no page sent a request to another machine."""
    asked: list[str] = []
    context = browser.new_context()

    def open_page(url: str, viewport: dict[str, int] = DESKTOP) -> Any:
        page = context.new_page()
        page.set_viewport_size(viewport)
        page.set_default_timeout(WAIT_MS)
        page.on("request", lambda request: asked.append(request.url))
        page.goto(url)
        return page

    yield open_page
    context.close()
    elsewhere = [url for url in asked if not url.startswith(("http://127.0.0.1:", "data:", "blob:"))]
    assert asked
    assert elsewhere == []


@pytest.fixture(scope="session")
def photographs() -> dict[str, np.ndarray]:
    """Photographs that are larger than a tile on at least one side."""
    return {"chelsea": data.chelsea()[90:190, 120:280], "rocket": data.rocket()[120:250, 240:370]}


@pytest.fixture
def photograph(photographs: dict[str, np.ndarray], tmp_path: Path) -> Path:
    path = tmp_path / "chelsea.jpg"
    exif = Image.Exif()
    exif[0x010E] = "a cat"
    Image.fromarray(photographs["chelsea"]).save(path, quality=95, exif=exif, dpi=(240, 240))
    return path


@pytest.fixture
def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port


def wait_for_port(port: int) -> None:
    for _ in range(600):
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.2)
    raise TimeoutError(f"expected a server at port {port}, found none after 120 s")
