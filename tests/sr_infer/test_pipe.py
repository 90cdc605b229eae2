"""Raw video frames through the real command, and through slow ends."""

import contextlib
import io
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sr_infer import Upscaler
from sr_infer.errors import OptionError
from sr_infer.pipe import upscale_frames

HEIGHT, WIDTH = 40, 60
FRAME_BYTES = HEIGHT * WIDTH * 3
Command = Callable[..., subprocess.CompletedProcess[bytes]]


@pytest.fixture
def frames(astronaut: np.ndarray) -> list[np.ndarray]:
    """A pan over a photograph: each frame is another."""
    return [astronaut[2 * n : 2 * n + HEIGHT, 3 * n : 3 * n + WIDTH] for n in range(9)]


def raw(frames: list[np.ndarray]) -> bytes:
    return b"".join(frame.tobytes() for frame in frames)


def test_frames_leave_in_order_as_the_upscaler_makes_them(
    command: Command, network: Path, frames: list[np.ndarray]
) -> None:
    done = command("pipe", "--size", f"{WIDTH}x{HEIGHT}", "-m", network, "--threads", 2, stdin=raw(frames))
    assert done.returncode == 0, done.stderr
    assert done.stdout == raw([Upscaler(network)(frame) for frame in frames])
    assert b"60x40 to 120x80 px" in done.stderr
    assert b"9 frames" in done.stderr


def test_a_short_last_frame_is_reported(command: Command, network: Path, frames: list[np.ndarray]) -> None:
    done = command("pipe", "--size", f"{WIDTH}x{HEIGHT}", "-m", network, stdin=raw(frames[:3])[:-100])
    assert done.returncode == 1
    assert len(done.stdout) == 2 * FRAME_BYTES * 4
    assert b"the last frame lacks 100 of 7200 bytes" in done.stderr


def test_mistakes_end_in_code_2(command: Command, network: Path, frames: list[np.ndarray]) -> None:
    for size, stdin, complaint in (
        ("60", b"", b"expected a size such as 640x360, got '60'"),
        ("0x40", b"", b"expected a size such as 640x360, got '0x40'"),
        ("60x40", b"", b"got 0 bytes in all"),
        ("60x40", raw(frames)[:50], b"expected frames of 7200 bytes (60x40 px of rgb24), got 50 bytes in all"),
    ):
        done = command("pipe", "--size", size, "-m", network, stdin=stdin)
        assert done.returncode == 2
        assert complaint in done.stderr
        assert b"Traceback" not in done.stderr
    with pytest.raises(OptionError, match="jobs of at least 1"):
        upscale_frames(Upscaler(network), io.BytesIO(), io.BytesIO(), (HEIGHT, WIDTH), jobs=0)


def test_a_reader_who_leaves_ends_it_with_one_error(network: Path, frames: list[np.ndarray]) -> None:
    command = [sys.executable, "-m", "sr_infer", "pipe", "--size", f"{WIDTH}x{HEIGHT}", "-m", network]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write(raw(frames[:1]))
        first = b""
        while len(first) < FRAME_BYTES * 4:
            first += process.stdout.read(FRAME_BYTES * 4 - len(first))
        assert first == Upscaler(network)(frames[0]).tobytes(), "it leaves before the input ends"
        process.stdout.close()
        with contextlib.suppress(BrokenPipeError):
            while True:
                process.stdin.write(raw(frames))
        assert process.wait(timeout=60) == 2
        errors = process.stderr.read().decode()
    assert "sr-infer: cannot write frame 2: Broken pipe" in errors
    assert "Traceback" not in errors
    assert "Exception ignored" not in errors


class Ends(io.RawIOBase):
    """A source whose frames are counted, and a sink that holds each frame until the next has been read."""

    def __init__(self, data: bytes) -> None:
        self.data = io.BytesIO(data)
        self.changed = threading.Condition()
        self.read_frames = self.written_frames = self.most_ahead = 0

    def read(self, size: int = -1) -> bytes:
        with self.changed:
            self.read_frames += 1
            self.most_ahead = max(self.most_ahead, self.read_frames - self.written_frames)
            self.changed.notify_all()
        return self.data.read(size)

    def write(self, frame: bytes) -> int:
        with self.changed:
            assert self.changed.wait_for(lambda: self.read_frames >= self.written_frames + 2, timeout=60)
            self.written_frames += 1
        return len(frame)


@pytest.mark.parametrize("jobs", [1, 3])
def test_reading_and_running_go_on_while_a_frame_is_written(network: Path, frames: list[np.ndarray], jobs: int) -> None:
    ends = Ends(raw(frames))
    done = upscale_frames(Upscaler(network), ends, ends, (HEIGHT, WIDTH), jobs=jobs)
    assert done.written == ends.written_frames == len(frames)
    assert ends.most_ahead <= jobs + 3, "a slow sink holds the source back"
