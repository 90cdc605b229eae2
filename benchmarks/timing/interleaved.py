"""Contenders timed in turns, each in a process of its own, so that whatever else the machine does falls on all.

A contender's process imports, prepares, and then, whenever it is its turn, runs until it is warm and once more, timed;
between turns it sleeps, and the next one waits until its threads do, too. So one that crashes does not end the race,
thread pools do not meet, and peak memory is each one's own. The process speaks JSON, a line each: how it stands after
preparation, the time of every run, and at the end its peak memory.
"""

import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from sr_infer.errors import SrInferError
from sr_infer.measure import Latency, summarise

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_LEAST_ROUNDS = 3


@dataclass(frozen=True)
class Contender:
    """What is timed: "package.module:function" and its arguments, as in `sr_infer.measure.peak_memory`."""

    name: str
    case: str
    arguments: tuple[Any, ...]
    check: bool = False
    """Compare the call's result with the reference."""


@dataclass(frozen=True, kw_only=True)
class Finish:
    """What became of a contender."""

    name: str
    times_ms: list[float]
    """In the order of the rounds; the first call apart. Empty for one that failed."""
    first_ms: float = 0.0
    imported_bytes: int = 0
    prepared_bytes: int = 0
    peak_bytes: int = 0
    difference: float | None = None
    """The largest from the reference, where one was given."""
    failure: str = ""

    @property
    def latency(self) -> Latency:
        """
        Raises:
            SrInferError: it failed.
        """
        if self.failure:
            raise SrInferError(f"{self.name}: {self.failure}")
        return summarise(self.times_ms)


@dataclass(frozen=True)
class Ratio:
    """How many times longer one contender takes than another, round by round."""

    median: float
    low: float
    """First quartile."""
    high: float
    """Third quartile."""


def paired_ratio(finish: Finish, reference: Finish) -> Ratio:
    """Over the rounds that both ran."""
    ratios = [own / other for own, other in zip(finish.times_ms, reference.times_ms, strict=True)]
    low, median, high = statistics.quantiles(ratios, n=4, method="inclusive")
    return Ratio(median, low, high)


def race(
    contenders: Sequence[Contender],
    *,
    threads: int,
    rounds: int = 9,
    seconds: float = math.inf,
    reference: Path | None = None,
) -> list[Finish]:
    """Run all contenders in turns, after a first call of each.

    Args:
        contenders: what is timed.
        rounds: at least 3.
        seconds: after which no further round is begun, though three are always run.
        threads: told to the usual thread variables; contenders take them as an argument too where that matters.
        reference: an .npy file that the results of contenders with `check` are compared with.
    """
    environment = {**os.environ, **dict.fromkeys(_THREAD_VARIABLES, str(threads))}
    runners = [_Runner(contender, environment, reference if contender.check else None) for contender in contenders]
    try:
        for runner in runners:
            runner.prepare()
        began = time.monotonic()
        for number in range(rounds):
            if number >= _LEAST_ROUNDS and time.monotonic() - began > seconds:
                break
            for runner in runners:
                runner.run()
        return [runner.finish() for runner in runners]
    finally:
        for runner in runners:
            runner.stop()


class _Runner:
    """The process of one contender."""

    def __init__(self, contender: Contender, environment: Mapping[str, str], reference: Path | None) -> None:
        self._contender = contender
        self._complaints: IO[str] = tempfile.TemporaryFile("w+")  # noqa: SIM115
        job = {"case": contender.case, "arguments": contender.arguments, "reference": reference and str(reference)}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.timing.worker", json.dumps(job)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
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

    def finish(self) -> Finish:
        end = self._answer("end") if not self._failure else {}
        if self._failure:
            return Finish(name=self._contender.name, times_ms=[], failure=self._failure)
        return Finish(name=self._contender.name, times_ms=self._times_ms, **self._prepared, **end)

    def stop(self) -> None:
        self._process.kill()
        self._process.communicate()
        self._complaints.close()

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
        self._complaints.seek(0)
        lines = self._complaints.read().strip().splitlines()
        self._failure = lines[-1] if lines else f"its process ended with {self._process.wait()}"
        return {}


def as_json(finishes: Sequence[Finish]) -> list[dict[str, Any]]:
    return [asdict(finish) for finish in finishes]


def from_json(rows: Sequence[Mapping[str, Any]]) -> dict[str, Finish]:
    """Finishes by name."""
    return {row["name"]: Finish(**row) for row in rows}
