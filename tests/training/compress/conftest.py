"""Tiny runs are fastest on one thread, and may be killed."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def compress_until() -> Callable[[Sequence[str], Path], None]:
    """Runs `python -m training.compress` with these arguments and kills it once a file is there."""

    def run(arguments: Sequence[str], checkpoint: Path) -> None:
        command = [sys.executable, "-m", "training.compress", *arguments]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while not checkpoint.exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        assert checkpoint.exists()
        process.kill()
        process.wait()

    return run
