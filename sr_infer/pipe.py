"""Video frames from one pipe to another: reading, running and writing overlap.

Frames are what ffmpeg calls `-f rawvideo -pix_fmt rgb24`: rows from the top, three bytes a pixel, nothing in between.
Several frames are run at once, each on its own share of the threads, and leave in the order in which they came. A slow
reader of the output holds the input back, so that memory stays bounded.
"""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import BinaryIO

import numpy as np

from sr_infer import folders, memory
from sr_infer.errors import ImageError, OptionError, OutputError
from sr_infer.upscaler import Upscaler

_CHANNELS = 3
_WAITING_FRAMES = 2
"""Beside those that are run: one is being written while another is ready or being read."""


@dataclass(frozen=True, kw_only=True)
class Frames:
    """What went through the pipe."""

    written: int
    missing_bytes: int
    """Of the last frame, which ended early and was left out; 0 where all frames were whole."""


def upscale_frames(
    upscaler: Upscaler,
    source: BinaryIO,
    sink: BinaryIO,
    size_hw: tuple[int, int],
    *,
    jobs: int | None = None,
    on_frame: Callable[[int], None] | None = None,
) -> Frames:
    """Upscale raw RGB frames until the source ends.

    Args:
        upscaler: what each frame goes through; its threads and memory are divided among the jobs.
        source: frames (height, width, 3) of uint8, one behind the other.
        sink: takes frames (height * scale, width * scale, 3) of uint8.
        size_hw: of the source's frames.
        jobs: frames at once; None takes one for each thread.
        on_frame: told how many frames are written; from another thread.

    Raises:
        OptionError: the frame size or the number of jobs is less than 1.
        ImageError: the source ends before its first frame is whole.
        OutputError: the sink was closed or is full.
        SrInferError: as in calling the upscaler.
    """
    height, width = size_hw
    if height < 1 or width < 1:
        raise OptionError(f"expected frames of at least 1x1 px, got {width}x{height}")
    if jobs is None:
        jobs = upscaler.thread_count
    share = folders.divided(replace(upscaler, max_memory=memory.budget_bytes(upscaler.max_memory)), jobs)
    share.load()
    written = 0

    def enlarged(frame: bytes) -> memoryview:
        return share(np.frombuffer(frame, np.uint8).reshape(height, width, _CHANNELS)).data

    def write(frame: Future[memoryview]) -> None:
        nonlocal written
        try:
            sink.write(frame.result())
            sink.flush()
        except OSError as error:
            raise OutputError(f"cannot write frame {written + 1}: {error.strerror}") from error
        written += 1
        if on_frame is not None:
            on_frame(written)

    frame_bytes = height * width * _CHANNELS
    running, writing = ThreadPoolExecutor(jobs), ThreadPoolExecutor(1)
    under_way: deque[Future[None]] = deque()
    try:
        while len(frame := source.read(frame_bytes)) == frame_bytes:
            under_way.append(writing.submit(write, running.submit(enlarged, frame)))
            if len(under_way) >= jobs + _WAITING_FRAMES:
                under_way.popleft().result()
        while under_way:
            under_way.popleft().result()
    finally:
        running.shutdown(cancel_futures=True)
        writing.shutdown(cancel_futures=True)
    if not written:
        raise ImageError(
            f"expected frames of {frame_bytes} bytes ({width}x{height} px of rgb24), got {len(frame)} bytes in all"
        )
    return Frames(written=written, missing_bytes=frame_bytes - len(frame) if frame else 0)
