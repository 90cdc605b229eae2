"""The programs in `examples` run."""

import importlib.util
import io
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from skimage import data

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples"


def run(program: str, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, EXAMPLES / program, *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def test_every_example_has_a_test_here() -> None:
    tested = {"folder_of_jpegs.py", "service.py", "film.py", "export_your_own.py"}
    assert {path.name for path in EXAMPLES.glob("*.py")} == tested


def test_a_folder_of_jpegs_goes_on_after_a_damaged_one(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    Image.fromarray(data.chelsea()[:30, :40]).save(tmp_path / "photos" / "b.jpg")
    (tmp_path / "photos" / "a.jpg").write_bytes(b"no image")
    done = run("folder_of_jpegs.py", "photos", "large", folder=tmp_path)
    assert done.returncode == 1
    assert "a.jpg" in done.stderr
    assert [path.name for path in (tmp_path / "large").iterdir()] == ["b.jpg"]
    assert Image.open(tmp_path / "large" / "b.jpg").size == (80, 60)


@pytest.mark.slow
def test_a_network_of_your_own_is_exported_and_runs(tmp_path: Path) -> None:
    done = run("export_your_own.py", folder=tmp_path)
    assert done.stdout == "mine.onnx: 64x48 px\n", done.stderr


@pytest.mark.slow
def test_a_film_has_as_many_frames_twice_as_large(tmp_path: Path) -> None:
    av = pytest.importorskip("av", reason="needs sr-infer[examples]")
    with av.open(tmp_path / "film.mp4", "w") as film:
        stream = film.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for left in range(3):
            pixels = data.chelsea()[:48, left : left + 64].copy()
            film.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        film.mux(stream.encode())
    done = run("film.py", "film.mp4", "larger.mp4", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    with av.open(tmp_path / "larger.mp4") as larger:
        frames = [(frame.width, frame.height) for frame in larger.decode(video=0)]
    assert frames == [(128, 96)] * 3


@pytest.mark.slow
def test_the_service_enlarges_and_refuses() -> None:
    pytest.importorskip("fastapi", reason="needs sr-infer[examples]")
    pytest.importorskip("httpx", reason="needs sr-infer[examples]")
    from fastapi.testclient import TestClient

    spec = importlib.util.spec_from_file_location("service", EXAMPLES / "service.py")
    assert spec is not None
    assert spec.loader is not None
    service = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(service)
    photo = io.BytesIO()
    Image.fromarray(data.chelsea()[:30, :40]).save(photo, "JPEG")
    with TestClient(service.app) as client:
        answer = client.post("/upscale", content=photo.getvalue())
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "image/jpeg"
        assert Image.open(io.BytesIO(answer.content)).size == (80, 60)
        refused = client.post("/upscale", content=b"no image")
        assert refused.status_code == 422
        assert "not a picture" in refused.json()["detail"] or "image" in refused.json()["detail"]
        assert client.post("/upscale", content=bytes(service.MAX_UPLOAD_BYTES + 1)).status_code == 413
