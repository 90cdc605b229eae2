"""The memory that networks work in: blocks that are used again, by the next network and in forked children too."""

import multiprocessing
import subprocess
import sys
from pathlib import Path

import pytest

import sr_infer
from sr_infer.measure import network_case, peak_memory

MODELS = Path(sr_infer.__file__).parent / "models"


def run(program: str) -> str:
    environment = {"PYTHONPATH": str(MODELS.parents[1]), "PATH": ""}
    done = subprocess.run([sys.executable, "-c", program], timeout=100, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_free_blocks_are_joined() -> None:
    """Plain-M's tensors need 512 bytes per px: two feature maps of 64 channels. An arena for each session takes 768."""
    peak = peak_memory(network_case, str(MODELS / "memsr-plain-m-x4.onnx"), 192)
    assert peak.added_by_call_bytes / 192**2 < 600


def test_the_next_network_works_in_what_the_last_one_left() -> None:
    program = """
import numpy as np, sr_infer
from sr_infer.resources import resident_bytes
picture = np.zeros((200, 200, 3), np.uint8)
upscalers = [sr_infer.Upscaler(name, threads=1, tile=500) for name in ("srpn-lite-x4", "srpn-lite-x2")]
for upscaler in upscalers:
    upscaler.load()
held = [resident_bytes()]
for upscaler in upscalers:
    upscaler(picture)
    held.append(resident_bytes())
print(held[1] - held[0], held[2] - held[1])
"""
    first, second = map(int, run(program).split())
    assert first > 15e6
    assert second < first / 4


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork here")
def test_a_child_forked_in_the_middle_of_a_run_does_not_wait_for_it() -> None:
    """Threads of the parent hold the lock of its arena again and again; a child has none that would let go of it."""
    program = """
import os, sys, threading
import numpy as np, sr_infer
upscaler = sr_infer.Upscaler("srpn-lite-x2-int8", threads=1)
picture = np.zeros((9, 9, 3), np.uint8)
expected = upscaler(picture)
over = threading.Event()
def work():
    while not over.is_set():
        upscaler(picture)
threads = [threading.Thread(target=work) for _ in range(4)]
for thread in threads:
    thread.start()
codes = []
for _ in range(20):
    child = os.fork()
    if child == 0:
        os._exit(0 if np.array_equal(upscaler(picture), expected) else 1)
    codes.append(os.waitpid(child, 0)[1])
over.set()
for thread in threads:
    thread.join()
sys.exit(any(codes))
"""
    run(program)
