"""`sr-infer web` in a browser, from upload to download."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import sr_infer
from tests.web.conftest import DESKTOP, PHONE, wait_for_port

pytest.importorskip("gradio", reason="needs sr-infer[web]")
pytestmark = pytest.mark.slow

ROOT = Path(sr_infer.__file__).parents[1]


@pytest.fixture
def server(free_port: int, tmp_path: Path) -> Iterator[tuple[str, subprocess.Popen[bytes], Path]]:
    """Start a server; yields its address, its process and the folder of its temporary files."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    command = [sys.executable, "-m", "sr_infer", "web", "--port", str(free_port), "--max-upload", "1MB"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(folder)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as process:
        try:
            wait_for_port(free_port)
            yield f"http://127.0.0.1:{free_port}", process, folder
        finally:
            process.kill()


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_from_upload_to_download(
    server: tuple[str, subprocess.Popen[bytes], Path],
    visit: Any,
    photograph: Path,
    viewport: dict[str, int],
    tmp_path: Path,
) -> None:
    address, process, folder = server
    page = visit(address, viewport)
    page.locator("input[type=file]").set_input_files(photograph)
    page.get_by_text("KB").wait_for()
    assert page.get_by_text("chelsea").is_visible()
    page.get_by_role("button", name="Enlarge").click()
    page.get_by_text("640 x 400 px in").wait_for()
    assert "MB of memory" in page.get_by_text("640 x 400 px in").inner_text()
    with page.expect_download() as download:
        page.get_by_text("KB").last.click()
    assert download.value.suggested_filename == "chelsea-srpn-lite-x4.jpg"
    with Image.open(download.value.path()) as large:
        assert large.getexif()[0x010E] == "a cat"
        assert large.info["dpi"] == (240, 240)
        sr_infer.Upscaler("srpn-lite-x4").upscale_file(photograph, tmp_path / "expected.jpg")
        with Image.open(tmp_path / "expected.jpg") as expected:
            assert np.abs(np.asarray(large).astype(int) - np.asarray(expected)).max() <= 2
    sizes = page.locator(".actual-size img").evaluate_all("all => all.map(i => [i.naturalWidth, i.clientWidth])")
    assert sizes == [[640, 640], [640, 640]], "both at 100 %"
    width = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    assert width[0] <= width[1], "the page itself is not wider than the screen"
    page.screenshot(path=tmp_path / "page.png", full_page=True)

    process.send_signal(signal.SIGTERM)
    process.wait(timeout=60)
    assert list(folder.iterdir()) == [], "no temporary file is left"


def test_a_broken_file_is_refused_with_a_message(
    server: tuple[str, subprocess.Popen[bytes], Path], visit: Any, tmp_path: Path
) -> None:
    (tmp_path / "broken.png").write_bytes(b"not a picture")
    page = visit(server[0])
    page.locator("input[type=file]").set_input_files(tmp_path / "broken.png")
    page.get_by_text("13.0 B").wait_for()
    assert page.get_by_text("broken").is_visible()
    page.get_by_role("button", name="Enlarge").click()
    page.get_by_text("is not a picture that Pillow").first.wait_for()


def test_large_files_addresses_and_other_hosts_are_refused(
    server: tuple[str, subprocess.Popen[bytes], Path], visit: Any, tmp_path: Path
) -> None:
    address = server[0]
    too_large = tmp_path / "large.bmp"
    Image.effect_noise((900, 900), 60).convert("RGB").save(too_large)
    assert too_large.stat().st_size > 1_000_000
    page = visit(address)
    page.locator("input[type=file]").set_input_files(too_large)
    page.get_by_text("exceed").first.wait_for()

    config = json.load(urllib.request.urlopen(f"{address}/config"))
    (click,) = [row for row in config["dependencies"] if len(row["inputs"]) == 2]
    payload = {
        "data": [{"path": f"{address}/theme.css", "meta": {"_type": "gradio.FileData"}}, "srpn-lite-x4"],
        "fn_index": click["id"],
        "session_hash": "visitor",
    }
    request = urllib.request.Request(
        f"{address}/gradio_api/queue/join", json.dumps(payload).encode(), {"Content-Type": "application/json"}
    )
    urllib.request.urlopen(request).read()
    with urllib.request.urlopen(f"{address}/gradio_api/queue/data?session_hash=visitor", timeout=60) as events:
        told = b""
        deadline = time.monotonic() + 60
        while b"process_completed" not in told and time.monotonic() < deadline:
            told += events.readline()
    assert b"expected an uploaded file, got an address" in told
