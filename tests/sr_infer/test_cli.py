"""The `sr-infer` command as a user runs it: a process, files, exit codes."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

Command = Callable[..., subprocess.CompletedProcess[bytes]]


def assert_one_line_of_ours(done: subprocess.CompletedProcess[bytes]) -> None:
    error = done.stderr.decode()
    assert done.returncode == 2, error
    assert error.startswith("sr-infer: "), error
    assert error.count("\n") == 1, error


def test_upscales_a_file(command: Command, network: Path, astronaut: np.ndarray, tmp_path: Path) -> None:
    Image.fromarray(astronaut).save(tmp_path / "in.png")
    done = command("upscale", "in.png", "-o", "out.png", "-m", network)
    assert done.returncode == 0, done.stderr
    assert Image.open(tmp_path / "out.png").size == (320, 256)


def test_mirrors_a_folder_and_outlives_a_bad_file(
    command: Command, network: Path, astronaut: np.ndarray, tmp_path: Path
) -> None:
    (tmp_path / "in/deep").mkdir(parents=True)
    Image.fromarray(astronaut).save(tmp_path / "in/deep/a.png")
    Image.fromarray(astronaut[:50]).save(tmp_path / "in/b.jpg")
    (tmp_path / "in/broken.png").write_bytes(b"not a picture")
    done = command("upscale", "in", "-o", "out", "-m", network)
    assert done.returncode == 1
    assert b"broken.png" in done.stderr
    assert {path.name for path in (tmp_path / "out").rglob("*.*")} == {"a.png", "b.jpg"}


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
        ("upscale", "in.png", "-o", "out.png", "-m", network, "--tile", "0"),
        ("info", "./corrupt.onnx"),
    ):
        assert_one_line_of_ours(command(*arguments))


def test_info_shows_the_card(command: Command, network: Path) -> None:
    done = command("info", network)
    assert done.returncode == 0, done.stderr
    assert b"scale: 2" in done.stdout
    assert b"architecture: tiny" in done.stdout
