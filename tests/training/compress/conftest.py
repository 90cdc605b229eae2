"""Whole runs of the module at hand, from its texts DENSE and RECIPE and its `command`; tiny, so on one thread."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
import torch

from training.compress.__main__ import main
from training.recipe import read_recipe
from training.train import main as train


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def recipe(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The module's recipe of the compression."""
    path = tmp_path / "recipe.toml"
    path.write_text(request.module.RECIPE)
    return path


@pytest.fixture(scope="module")
def dense(request: pytest.FixtureRequest, pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trained weights to compress, with what was learnt along beside them."""
    folder = tmp_path_factory.mktemp("dense")
    (folder / "dense.toml").write_text(request.module.DENSE)
    assert train([str(folder / "dense.toml"), "--data", str(pictures), "--out", str(folder)]) == 0
    return folder / f"{read_recipe(folder / 'dense.toml').name}.safetensors"


@pytest.fixture(scope="module")
def run(request: pytest.FixtureRequest, dense: Path, pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a whole compression."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "recipe.toml").write_text(request.module.RECIPE)
    assert main(request.module.command(folder / "recipe.toml", dense, pictures, folder / "out")) == 0
    return folder / "out"


@pytest.fixture
def compress_until() -> Callable[[Sequence[str], Path], None]:
    """Runs `python -m training.compress` with these arguments and kills it once a file is there."""

    def run(arguments: Sequence[str], checkpoint: Path) -> None:
        command = [sys.executable, "-m", "training.compress", *arguments]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 180
        while not checkpoint.exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.005)
        assert checkpoint.exists()
        process.kill()
        process.wait()

    return run
