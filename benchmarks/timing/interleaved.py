"""Time candidates in turns, each in its own process, so that a busy machine slows all of them alike.

The process of a candidate imports, prepares and waits. In its turn it runs untimed until it is warm, and then once
more, timed. The next turn starts when its threads sleep. A crash therefore ends only one candidate, thread pools do not
disturb each other, and each peak memory belongs to one candidate. The process writes one JSON object per line: its
state after preparation, the time of each run, and finally its peak memory.
"""

import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from sr_infer.errors import SrInferError
from sr_infer.measure import Latency, summarise

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_MIN_ROUNDS = 3


@dataclass(frozen=True)
class Candidate:
    """A call to time."""

    name: str
    case: Callable[..., object] | str
    """A module's function that prepares and returns the call, or "package.module:function" to import it only there."""
    arguments: tuple[Any, ...]
    """Arguments of the function. JSON must be able to hold them."""
    check: bool = False
    """Whether to compare the result of the call with the reference."""


@dataclass(frozen=True, kw_only=True)
class Timing:
    """Times and memory of one candidate, or why it failed."""

    name: str
    times_ms: list[float]
    """One time per round, without the first call. Empty after a failure."""
    first_ms: float = 0.0
    imported_bytes: int = 0
    prepared_bytes: int = 0
    peak_bytes: int = 0
    difference: float | None = None
    """The largest absolute difference from the reference, if one was given."""
    failure: str = ""

    @property
    def latency(self) -> Latency:
        """Summary of the times.

        Raises:
            SrInferError: the candidate failed.
        """
        if self.failure:
            raise SrInferError(f"{self.name}: {self.failure}")
        return summarise(self.times_ms)


@dataclass(frozen=True)
class Ratio:
    """Quartiles over rounds of the ratio of two times."""

    median: float
    low: float
    """First quartile."""
    high: float
    """Third quartile."""


def compute_paired_ratio(timing: Timing, reference: Timing) -> Ratio:
    """Divide a candidate's times by the reference's times round by round; returns quartiles of the ratios."""
    ratios = [own / other for own, other in zip(timing.times_ms, reference.times_ms, strict=True)]
    low, median, high = statistics.quantiles(ratios, n=4, method="inclusive")
    return Ratio(median, low, high)


def time_interleaved(
    candidates: Sequence[Candidate],
    *,
    threads: int,
    rounds: int = 9,
    seconds: float = math.inf,
    reference: Path | None = None,
) -> list[Timing]:
    """Prepare all candidates, call each once, and time them in turns.

    Args:
        candidates: the calls to time.
        threads: value of `OMP_NUM_THREADS` and similar variables. A case that sets threads needs an argument, too.
        rounds: number of rounds, at least 3.
        seconds: time after which no further round starts, except that three rounds always run.
        reference: an .npy file with the expected result of candidates with `check`.
    """
    environment = {**os.environ, **dict.fromkeys(_THREAD_VARIABLES, str(threads))}
    processes = [_Process(candidate, environment, reference if candidate.check else None) for candidate in candidates]
    try:
        for process in processes:
            process.prepare()
        start_s = time.monotonic()
        for number in range(rounds):
            if number >= _MIN_ROUNDS and time.monotonic() - start_s > seconds:
                break
            for process in processes:
                process.run()
        return [process.finish() for process in processes]
    finally:
        for process in processes:
            process.stop()


class _Process:
    """The process of one candidate."""

    def __init__(self, candidate: Candidate, environment: Mapping[str, str], reference: Path | None) -> None:
        self._candidate = candidate
        self._stderr: IO[str] = tempfile.TemporaryFile("w+")  # noqa: SIM115
        job = {
            "case": _reference(candidate.case),
            "arguments": candidate.arguments,
            "reference": reference and str(reference),
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.timing.worker", json.dumps(job)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            text=True,
            env=environment,
        )
        self._prepared: dict[str, Any] = {}
        self._times_ms: list[float] = []
        self._failure = ""

    def prepare(self) -> None:
        self._prepared = self._answer()

    def run(self) -> None:
        if not self._failure:
            answer = self._answer("run")
            if answer:
                self._times_ms.append(answer["ms"])

    def finish(self) -> Timing:
        end = self._answer("end") if not self._failure else {}
        if self._failure:
            return Timing(name=self._candidate.name, times_ms=[], failure=self._failure)
        return Timing(name=self._candidate.name, times_ms=self._times_ms, **self._prepared, **end)

    def stop(self) -> None:
        self._process.kill()
        self._process.communicate()
        self._stderr.close()

    def _answer(self, order: str = "") -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            if order:
                self._process.stdin.write(order + "\n")
                self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if line:
            answer: dict[str, Any] = json.loads(line)
            return answer
        self._stderr.seek(0)
        lines = self._stderr.read().strip().splitlines()
        self._failure = lines[-1] if lines else f"the process ended with exit code {self._process.wait()}"
        return {}


def timings_to_json(timings: Sequence[Timing]) -> list[dict[str, Any]]:
    """Convert timings to rows of a result file."""
    return [asdict(timing) for timing in timings]


def timings_from_json(rows: Sequence[Mapping[str, Any]]) -> dict[str, Timing]:
    """Read rows of a result file; returns timings by the name of the candidate."""
    return {row["name"]: Timing(**row) for row in rows}


def _reference(case: Callable[..., object] | str) -> str:
    return case if isinstance(case, str) else f"{case.__module__}:{case.__qualname__}"
