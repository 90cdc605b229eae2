"""The `sr-infer` command as a user runs it: a process, files, exit codes."""

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import PIL
import pytest
from PIL import Image

import sr_infer

Command = Callable[..., subprocess.CompletedProcess[bytes]]


@pytest.fixture
def photos(astronaut: np.ndarray, tmp_path: Path) -> Path:
    """A folder tree of mixed files, one of them broken, one no picture at all."""
    folder = tmp_path / "in"
    (folder / "deep/er").mkdir(parents=True)
    picture = Image.fromarray(astronaut[:40, :50])
    picture.save(folder / "a.png")
    picture.save(folder / "deep/b.jpg")
    picture.convert("L").save(folder / "deep/c.tif")
    picture.quantize(32).save(folder / "deep/er/d.gif")
    (folder / "broken.png").write_bytes(b"not a picture")
    (folder / "notes.txt").write_text("not meant")
    return folder


def results(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def assert_one_line_of_ours(done: subprocess.CompletedProcess[bytes]) -> None:
    error = done.stderr.decode()
    assert done.returncode == 2, error
    assert error.startswith("sr-infer: "), error
    assert error.count("\n") == 1, error


def test_upscales_a_file(command: Command, network: Path, astronaut: np.ndarray, tmp_path: Path) -> None:
    Image.fromarray(astronaut).save(tmp_path / "in.png")
    done = command("upscale", "in.png", "-o", "out.png", "-m", network)
    assert done.returncode == 0, done.stderr
    assert done.stdout == b""
    assert Image.open(tmp_path / "out.png").size == (320, 256)


def test_mirrors_a_tree_and_outlives_a_bad_file(command: Command, network: Path, photos: Path, tmp_path: Path) -> None:
    done = command("upscale", "in", "-o", "out", "-m", network, "--jobs", 2)
    assert done.returncode == 1
    assert done.stderr.decode().splitlines()[-2:] == [
        "sr-infer: 4 done, 0 skipped, 1 failed:",
        f"sr-infer: {Path('in/broken.png')} is not a picture that Pillow "
        f"{PIL.__version__} can read; if it opens elsewhere, convert it to PNG",
    ]
    assert results(tmp_path / "out") == {"a.png", "deep/b.jpg", "deep/c.tif", "deep/er/d.png"}


def test_pictures_that_differ_in_format_alone_all_get_a_result(
    command: Command, network: Path, photos: Path, tmp_path: Path
) -> None:
    Image.open(photos / "deep/er/d.gif").save(photos / "deep/er/d.png")
    done = command("upscale", photos / "deep", "-o", "out", "-m", network)
    assert done.returncode == 0, done.stderr
    assert results(tmp_path / "out") == {"b.jpg", "c.tif", "er/d.gif.png", "er/d.png"}


def test_resumes_renames_and_converts(command: Command, network: Path, photos: Path, tmp_path: Path) -> None:
    (photos / "broken.png").unlink()
    arguments = ("upscale", "in/**/*.*g", "-o", "out", "-m", network, "--suffix=-x2", "--format=webp", "--json")
    first = command(*arguments)
    assert first.returncode == 0, first.stderr
    assert results(tmp_path / "out") == {"a-x2.webp", "b-x2.webp"}
    (tmp_path / "out/a-x2.webp").unlink()
    again = command(*arguments, "--skip-existing")
    rows = [json.loads(line) for line in again.stdout.splitlines()]
    assert {Path(row["source"]).name: row["status"] for row in rows} == {"a.png": "done", "b.jpg": "skipped"}


def test_pipes(command: Command, network: Path, astronaut: np.ndarray, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    Image.fromarray(astronaut).save(buffer, "PNG")
    piped = command("upscale", "-", "-o", "-", "-m", network, stdin=buffer.getvalue())
    assert piped.returncode == 0, piped.stderr
    expected = sr_infer.upscale(astronaut, network)
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(piped.stdout))), expected)
    converted = command("upscale", "-", "-o", "-", "-m", network, "--format", "jpg", stdin=buffer.getvalue())
    assert Image.open(io.BytesIO(converted.stdout)).format == "JPEG"
    command("upscale", "-", "-o", "out.tif", "-m", network, stdin=buffer.getvalue())
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "out.tif")), expected)
    assert_one_line_of_ours(command("upscale", "-", "-o", "-", "-m", network, stdin=b""))
    told = command("upscale", "-", "-o", "-", "-m", network, "--json", stdin=buffer.getvalue())
    assert json.loads(told.stderr)["status"] == "done"
    assert told.stdout == piped.stdout


def test_a_pipe_that_closes_early_is_no_traceback(network: Path, astronaut: np.ndarray, tmp_path: Path) -> None:
    Image.fromarray(astronaut).save(tmp_path / "in.png")
    arguments = [sys.executable, "-m", "sr_infer", "upscale", "in.png", "-o", "-", "-m", str(network)]
    reader, writer = os.pipe()
    os.close(reader)
    environment = {"PYTHONPATH": str(Path(sr_infer.__file__).parents[1]), "PATH": ""}
    done = subprocess.run(arguments, cwd=tmp_path, env=environment, stdout=writer, stderr=subprocess.PIPE, timeout=60)
    os.close(writer)
    assert done.returncode == 2
    assert done.stderr.decode().startswith("sr-infer: cannot write to the pipe")


def test_pictures_are_done_though_nobody_reads_what_is_told(network: Path, photos: Path, tmp_path: Path) -> None:
    arguments = [sys.executable, "-m", "sr_infer", "upscale", "in", "-o", "out", "-m", str(network), "--json"]
    reader, writer = os.pipe()
    os.close(reader)
    environment = {"PYTHONPATH": str(Path(sr_infer.__file__).parents[1]), "PATH": ""}
    done = subprocess.run(arguments, cwd=tmp_path, env=environment, stdout=writer, stderr=subprocess.PIPE, timeout=60)
    os.close(writer)
    assert done.returncode == 1, "one is broken"
    assert "4 done, 0 skipped, 1 failed" in done.stderr.decode()
    assert results(tmp_path / "out") == {"a.png", "deep/b.jpg", "deep/c.tif", "deep/er/d.png"}


def test_a_list_that_nobody_reads_is_no_traceback(tmp_path: Path) -> None:
    listing = f"{sys.executable} -m sr_infer models | true"
    done = subprocess.run(listing, shell=True, capture_output=True, timeout=60, check=False)
    assert done.stderr == b""


def test_equal_pictures_compare_to_valid_json(command: Command, astronaut: np.ndarray, tmp_path: Path) -> None:
    Image.fromarray(astronaut).save(tmp_path / "a.png")
    done = command("compare", "a.png", "a.png", "--json")
    assert json.loads(done.stdout, parse_constant=pytest.fail)["psnr_y"] is None


def test_all_options_are_understood(command: Command, network: Path, photos: Path, tmp_path: Path) -> None:
    done = command(
        *("upscale", "in/a.png", "-o", "out.jpg", "-m", network, "--max-memory", "200MB", "--tile", 16),
        *("--halo", "exact", "--threads", 2, "--alpha", "model", "--ensemble", "--width", 75, "--quality", 80),
    )
    assert done.returncode == 0, done.stderr
    assert Image.open(tmp_path / "out.jpg").size == (75, 60)


def test_mistakes_end_in_one_line_and_code_2(
    command: Command, network: Path, astronaut: np.ndarray, tmp_path: Path
) -> None:
    Image.fromarray(astronaut).save(tmp_path / "in.png")
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken.png").write_bytes(b"not a picture")
    (tmp_path / "zero.onnx").write_bytes(b"")
    (tmp_path / "corrupt.onnx").write_bytes(network.read_bytes()[:1000])
    for arguments in (
        ("upscale", "broken.png", "-o", "out.png", "-m", network),
        ("upscale", "absent.png", "-o", "out.png", "-m", network),
        ("upscale", "empty", "-o", "out", "-m", network),
        ("upscale", "in.png", "-o", "out.png", "-m", "no-such-model"),
        ("upscale", "in.png", "-o", "out.png", "-m", "./absent.onnx"),
        ("upscale", "in.png", "-o", "out.png", "-m", "./zero.onnx"),
        ("upscale", "in.png", "-o", "out.png", "-m", "./corrupt.onnx"),
        ("upscale", "in.png", "-o", "out.xyz", "-m", network),
        ("upscale", "in.png", "-o", "in.png", "-m", network),
        ("upscale", "in.png", "broken.png", "-o", "out.png", "-m", network),
        ("upscale", "in.png", "-o", "out.png", "-m", network, "--tile", "0"),
        ("upscale", "in.png", "-o", "out.png", "-m", network, "--max-memory", "1KB"),
        ("upscale", "in.png", "-o", "out.png", "-m", network, "--halo", "²"),
        ("bench", network, "--size", "²x3"),
        ("bench", network, "--size", "999999x999999"),
        ("upscale", "in.png", "-o", "out", "-m", network, "--suffix=/x"),
        ("upscale", "in.png", "-o", "-", "-m", network, "--suffix=-x"),
        ("upscale", "in.png", "-o", "out.png", "-m", network, "--quality", "0"),
        ("info", "./corrupt.onnx"),
        ("compare", "in.png", "broken.png"),
    ):
        assert_one_line_of_ours(command(*arguments))


def test_larger_pictures_than_pillow_allows_may_be_trusted(command: Command, network: Path, tmp_path: Path) -> None:
    """It is then the memory that refuses them, before anything is decoded."""
    Image.new("1", (20_000, 20_000)).save(tmp_path / "in.png")
    arguments = ("upscale", "in.png", "-o", "out.png", "-m", network, "--max-memory", "100MB")
    assert b"400 megapixels, max_pixels allows 179" in command(*arguments).stderr
    assert b"does not fit in 100MB" in command(*arguments, "--max-pixels", 400_000_000).stderr


def test_info_shows_the_card(command: Command, network: Path) -> None:
    done = command("info", network)
    assert done.returncode == 0, done.stderr
    assert b"scale: 2" in done.stdout
    assert json.loads(command("info", network, "--json").stdout)["architecture"] == "tiny"


def test_compare_measures_and_shows_the_difference(command: Command, astronaut: np.ndarray, tmp_path: Path) -> None:
    other = astronaut.copy()
    other[10:20, 10:20] += 3
    Image.fromarray(astronaut).save(tmp_path / "a.png")
    Image.fromarray(other).save(tmp_path / "b.png")
    done = command("compare", "a.png", "b.png", "-o", "difference.png", "--json")
    facts = json.loads(done.stdout)
    assert facts["psnr_y"] == pytest.approx(sr_infer.metrics.psnr_y(astronaut, other, border=0))
    assert facts["largest_difference"] in (3, 253)
    difference = np.asarray(Image.open(tmp_path / "difference.png"))
    assert difference[15, 15].max() == 60
    assert not difference[30:].any()


def test_compare_tells_where_only_transparency_differs(command: Command, astronaut: np.ndarray, tmp_path: Path) -> None:
    Image.fromarray(astronaut).save(tmp_path / "opaque.png")
    Image.fromarray(np.dstack([astronaut, np.full(astronaut.shape[:2], 200, np.uint8)])).save(tmp_path / "clear.png")
    facts = json.loads(command("compare", "opaque.png", "clear.png", "--json").stdout)
    assert (facts["largest_difference"], facts["largest_difference_of_alpha"]) == (0, 55)
    assert b"alpha" not in command("compare", "opaque.png", "opaque.png").stdout


def test_doctor_knows_this_machine(command: Command) -> None:
    done = command("doctor", "--json")
    facts = json.loads(done.stdout)
    assert facts["threads by default"] >= 1
    assert facts["memory available"].endswith("MB")
    assert "CPUExecutionProvider" in facts["providers"]
    assert b"threads by default" in command("doctor").stdout


def test_bench_measures_time_and_memory(command: Command, network: Path) -> None:
    facts = json.loads(command("bench", network, "--size", "40x30", "--json").stdout)
    assert 0 < facts["p50_ms"] <= facts["p90_ms"]
    assert facts["first_call_ms"] > 0
    assert facts["grown_bytes"] == facts["peak_bytes"] - facts["imported_bytes"] > 0


@pytest.mark.parametrize(
    ("stop", "word", "code"), [(signal.SIGINT, "interrupted", 130), (signal.SIGTERM, "terminated", 143)]
)
def test_a_signal_leaves_no_half_written_file(
    stop: signal.Signals, word: str, code: int, network: Path, astronaut: np.ndarray, tmp_path: Path
) -> None:
    Image.fromarray(astronaut).save(tmp_path / "a.png")
    Image.effect_noise((2400, 1800), 60).convert("RGB").save(tmp_path / "b.png")
    (tmp_path / "out").mkdir()
    (tmp_path / "out/b.png").write_bytes(b"what was there before")
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "sr_infer",
            "upscale",
            "a.png",
            "b.png",
            "-o",
            "out",
            "-m",
            str(network),
            "--tile",
            "16",
        ],
        cwd=tmp_path,
        env={"PYTHONPATH": str(Path(sr_infer.__file__).parents[1]), "PATH": ""},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    assert "a.png" in process.stderr.readline()
    process.send_signal(stop)
    error = process.communicate(timeout=60)[1]
    assert "Traceback" not in error
    assert word in error
    assert process.returncode == code, error
    assert (tmp_path / "out/b.png").read_bytes() == b"what was there before"
    assert results(tmp_path / "out") == {"a.png", "b.png"}
