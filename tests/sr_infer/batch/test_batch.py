"""Real Ray: this machine alone, a cluster of two nodes of which one is killed, a reader that crashes its process."""

import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data

import sr_infer
from sr_infer import Upscaler

pytest.importorskip("ray", reason="needs sr-infer[ray]")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::ray.util.annotations.RayDeprecationWarning"),
]

import pyarrow.parquet as pq  # noqa: E402
import ray  # noqa: E402
from ray.cluster_utils import Cluster  # noqa: E402

from sr_infer import batch  # noqa: E402

REPOSITORY = Path(sr_infer.__file__).parents[1]
MODEL = "srpn-lite-x2"
"""Slow enough to be interrupted."""


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty photographs of 96x96 px in a tree."""
    folder = tmp_path_factory.mktemp("photos")
    coffee = data.coffee()
    for index in range(60):
        target = folder / f"{index % 3}" / f"{index:02}.{'jpg' if index % 2 else 'png'}"
        target.parent.mkdir(exist_ok=True)
        top, left = index // 10 * 50, index % 10 * 50
        Image.fromarray(coffee[top : top + 96, left : left + 96]).save(target)
    return folder


@pytest.fixture(scope="module")
def expected(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What one process makes of them."""
    target = tmp_path_factory.mktemp("expected")
    done = run("upscale", photos, "-o", target, "-m", MODEL, "--threads", 1, "--max-memory", "1GB")
    assert done.returncode == 0, done.stderr
    return content(target)


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """Two nodes with a processor each, so that two workers stand on different ones."""
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("RAY_raylet_start_wait_time_s", "120")
    node = {"num_cpus": 1, "object_store_memory": 100_000_000, "memory": 2_000_000_000}
    cluster = Cluster(initialize_head=True, head_node_args=node)
    try:
        yield cluster
    finally:
        ray.shutdown()
        cluster.shutdown()


def run(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments), env=with_package(environment), capture_output=True, text=True, timeout=300
    )


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "sr_infer", *map(str, arguments)]


def with_package(environment: dict[str, str]) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(REPOSITORY), **environment}


def content(folder: Path) -> dict[str, bytes]:
    """Path -> bytes of everything below a folder, hidden or not."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def failures(folder: Path) -> dict[str, str]:
    rows = [json.loads(line) for line in (folder / "failures.jsonl").read_text().splitlines()]
    return {row["path"]: row["error"] for row in rows}


def test_a_node_is_killed_in_the_middle(
    cluster: Cluster, photos: Path, expected: dict[str, bytes], tmp_path: Path
) -> None:
    second = cluster.add_node(num_cpus=1, object_store_memory=100_000_000, memory=2_000_000_000)
    cluster.wait_for_nodes()
    target = tmp_path / "out"
    arguments = command("batch", photos, target, "-m", MODEL, "--address", cluster.address, "--workers", 2)
    with subprocess.Popen(arguments, env=with_package({}), stderr=subprocess.PIPE, text=True) as process:
        while process.poll() is None and sum(1 for _ in target.rglob("*.*g")) < 20:
            time.sleep(0.02)
        assert process.poll() is None
        cluster.remove_node(second, allow_graceful=False)
        done_when_killed = sum(1 for _ in target.rglob("*.*g"))
        errors = process.communicate(timeout=1200)[1]
    assert done_when_killed < 60, "it was still at work"
    assert process.returncode == 0, errors
    assert "60 done, 0 skipped, 0 failed" in errors
    assert failures(target) == {}
    (target / "failures.jsonl").unlink()
    assert content(target) == expected


def test_a_picture_that_crashes_its_worker_is_reported(
    photos: Path, expected: dict[str, bytes], tmp_path: Path
) -> None:
    """A plug-in file system whose process dies when it opens one of the files."""
    plugin = tmp_path / "plugin"
    (plugin / "deadly-1.dist-info").mkdir(parents=True)
    (plugin / "deadly-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: deadly\nVersion: 1\n")
    (plugin / "deadly-1.dist-info" / "entry_points.txt").write_text("[fsspec.specs]\ndeadly = deadly:DeadlyFiles\n")
    (plugin / "deadly.py").write_text(
        "import os, signal\n"
        "from fsspec.implementations.local import LocalFileSystem\n\n"
        "class DeadlyFiles(LocalFileSystem):\n"
        "    protocol = ('deadly',)\n\n"
        "    def _open(self, path, mode='rb', **options):\n"
        "        if path.endswith('/07.jpg'):\n"
        "            os.kill(os.getpid(), signal.SIGSEGV)\n"
        "        return super()._open(path, mode, **options)\n"
    )
    target = tmp_path / "out"
    path = os.pathsep.join((str(REPOSITORY), str(plugin)))
    done = run("batch", f"deadly://{photos}", f"local://{target}", "-m", MODEL, "--workers", 2, PYTHONPATH=path)
    assert done.returncode == 1, done.stderr
    assert "59 done, 0 skipped, 1 failed" in done.stderr
    assert failures(target) == {"1/07.jpg": "its workers died: they crashed, or were killed because memory ran out"}
    (target / "failures.jsonl").unlink()
    assert content(target) == {path: data for path, data in expected.items() if path != "1/07.jpg"}


def test_sigterm_ends_the_job_and_the_next_one_goes_on(
    photos: Path, expected: dict[str, bytes], tmp_path: Path
) -> None:
    target = tmp_path / "large"
    line = command("batch", photos, target, "-m", MODEL)
    with subprocess.Popen(line, stderr=subprocess.PIPE, text=True, env=with_package({})) as job:
        while job.poll() is None and not any(target.rglob("*.*g")):
            time.sleep(0.1)
        job.send_signal(signal.SIGTERM)
        _, error = job.communicate()
    assert job.returncode == 128 + signal.SIGTERM, error
    assert error.endswith("sr-infer: terminated\n")
    assert not list(target.rglob(".*.part"))
    assert run("batch", photos, target, "-m", MODEL).returncode == 0
    (target / "failures.jsonl").unlink()
    assert content(target) == expected


def test_it_resumes_reads_archives_and_tabulates_failures(photos: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        for name in ("0/00.png", "1/01.jpg"):
            archive.write(photos / name, name)
        archive.writestr("deep/broken.png", b"not a picture")
    arguments = ("batch", f"zip://::{tmp_path}/photos.zip", tmp_path / "out", "-m", MODEL, "--format", "webp")
    first = run(*arguments)
    assert first.returncode == 1, first.stderr
    assert content(tmp_path / "out").keys() == {"0/00.webp", "1/01.webp", "failures.jsonl"}
    (tmp_path / "out/0/00.webp").unlink()
    again = run(*arguments, "--failures", "parquet")
    assert "1 done, 1 skipped, 1 failed" in again.stderr
    (failure,) = pq.read_table(tmp_path / "out/failures.parquet").to_pylist()
    assert failure["path"] == "deep/broken.png"
    assert "is not a picture" in failure["error"]
    assert failure["seconds"] > 0
    overwritten = run(*arguments, "--overwrite")
    assert "2 done, 0 skipped, 1 failed" in overwritten.stderr


def test_mistakes_end_in_one_line_and_code_2(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for arguments, complaint in (
        ((tmp_path / "empty",), "expected a folder of pictures, found none"),
        (("nosuch://bucket/photos",), "expected a folder or a URI that pyarrow or fsspec can open"),
        ((photos, "--workers", 0), "expected at least 1 worker, got 0"),
        ((photos, "--address", "127.0.0.1:1"), "cannot use a Ray cluster at 127.0.0.1:1"),
    ):
        done = run(
            "batch",
            arguments[0],
            tmp_path / "out",
            "-m",
            MODEL,
            *arguments[1:],
            RAY_gcs_rpc_server_connect_timeout_s="1",
        )
        assert done.returncode == 2, done.stderr
        assert f"sr-infer: {complaint}" in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize("target", [".", "large", "../photos/large"])
def test_results_among_the_pictures_are_refused(astronaut: np.ndarray, tmp_path: Path, target: str) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    Image.fromarray(astronaut[:20, :24]).save(photos / "a.png")
    before = (photos / "a.png").read_bytes()
    done = run("batch", photos, photos / target, "-m", MODEL, "--overwrite")
    assert done.returncode == 2, done.stderr
    assert "would be among the pictures" in done.stderr
    assert (photos / "a.png").read_bytes() == before


def test_datasets_pass_through(make_network: Callable[..., Path], photos: Path, cluster: Cluster) -> None:
    """Decoded or as bytes, with columns of their own. Readers need a processor beside the worker's."""
    cluster.add_node(num_cpus=2, object_store_memory=100_000_000, memory=2_000_000_000)
    ray.init(cluster.address, log_to_driver=False)
    upscaler = Upscaler(make_network(), threads=1, max_memory="200MB")
    pictures = ray.data.read_images(str(photos / "0"), include_paths=True, file_extensions=["png"]).limit(3)
    rows = batch.upscale(pictures, upscaler, workers=1).take_all()
    assert len(rows) == 3
    for row in rows:
        np.testing.assert_array_equal(row["image"], upscaler(np.asarray(Image.open(row["path"]))))
    encoded = ray.data.read_binary_files(str(photos / "0/00.png"))
    (row,) = batch.upscale(encoded, upscaler, workers=1, column="bytes").take_all()
    assert row["bytes"] == upscaler((photos / "0/00.png").read_bytes())
