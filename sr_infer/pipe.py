"""Upscale raw video frames from one pipe to another; reading, running and writing overlap.

Frames have the format that ffmpeg calls `-f rawvideo -pix_fmt rgb24`: rows from the top, three bytes per pixel, nothing
in between. Several frames run at once, each on its share of the threads, and are written in their order. A slow reader
of the output slows down the input, so that memory stays bounded.
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
"""Frames in memory beside those that run: one is written while another is ready or read."""


@dataclass(frozen=True, kw_only=True)
class Frames:
    """Counts of a run."""

    written: int
    missing_bytes: int
    """Bytes that the last frame lacked, which was left out; 0 if all frames were complete."""


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
        upscaler: upscales each frame; the jobs share its threads and memory.
        source: frames (height, width, 3) of uint8, one after the other.
        sink: receives frames (height * scale, width * scale, 3) of uint8.
        size_hw: height and width of the source's frames in px.
        jobs: frames at once; None runs one for each thread.
        on_frame: called with the number of written frames, from another thread.

    Raises:
        OptionError: the frame size or the number of jobs is less than 1.
        ImageError: the source ends before its first frame is complete.
        OutputError: the sink was closed or is full.
        SrInferError: as in calling the upscaler.
    """
    height, width = size_hw
    if height < 1 or width < 1:
        raise OptionError(f"expected frames of at least 1x1 px, got {width}x{height}")
    if jobs is None:
        jobs = upscaler.thread_count
    share = folders.split_among(replace(upscaler, max_memory=memory.budget_bytes(upscaler.max_memory)), jobs)
    share.load()
    written = 0

    def upscale(frame: bytes) -> memoryview:
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
            under_way.append(writing.submit(write, running.submit(upscale, frame)))
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
