"""Print the progress of many images: one line that is redrawn on a terminal, otherwise one line for each image."""

import sys
import threading
import time
from pathlib import Path


class Progress:
    """Safe to call from several threads."""

    def __init__(self, total_pictures: int) -> None:
        self._total = total_pictures
        self._finished = 0
        self._tiles: dict[Path, float] = {}
        """Running image -> share of its tiles that is done."""
        self._start = time.monotonic()
        self._redraws = sys.stderr.isatty()
        self._lock = threading.Lock()

    def tile(self, picture: Path, done: int, total: int) -> None:
        """Report that a tile of an image is finished."""
        with self._lock:
            self._tiles[picture] = done / total
            if self._redraws:
                print(
                    f"\r\033[K{self._state()}  {picture.name}  tile {done}/{total}", end="", file=sys.stderr, flush=True
                )

    def finished(self, picture: Path, outcome: str) -> None:
        """Report that an image is finished, with or without success."""
        with self._lock:
            self._finished += 1
            self._tiles.pop(picture, None)
            start = "\r\033[K" if self._redraws else ""
            print(f"{start}{self._state()}  {picture}: {outcome}", file=sys.stderr, flush=True)

    def _state(self) -> str:
        share = (self._finished + sum(self._tiles.values())) / self._total
        elapsed = time.monotonic() - self._start
        left = f", {_clock(elapsed * (1 - share) / share)} left" if 0 < share < 1 else ""
        return f"{self._finished}/{self._total}{left}"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}" if minutes >= 60 else f"{minutes}:{rest:02}"
