"""`python -m benchmarks.compare BASE.json HEAD.json`: list the changes of time and memory that exceed the noise.

Both files come from `pytest benchmarks --benchmark-json=FILE`. The noise of a time is the combined quartile range of
both runs, but at least 2 %, or 10 % if a run has fewer than three rounds. The noise of peak memory is 2 %. A ratio of
medians outside the noise is a change. The command lists changes and never fails because of one.
"""

import argparse
import json
import math
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sr_infer.errors import OptionError, SrInferError

MIN_CHANGE, MIN_CHANGE_OF_ONE = 0.02, 0.10
_MEMORY = "peak_bytes"


@dataclass(frozen=True)
class Change:
    """One measurement in both files."""

    name: str
    quantity: str
    base: float
    head: float
    noise: float
    """Relative noise. A ratio between 1 / (1 + noise) and 1 + noise is no change."""

    @property
    def ratio(self) -> float:
        return self.head / self.base

    @property
    def is_real(self) -> bool:
        return abs(math.log(self.ratio)) > math.log1p(self.noise)


def find_changes(base: Path, head: Path) -> list[Change]:
    """List the measurements that are in both files.

    Raises:
        OptionError: a file is not from pytest-benchmark, or the files share no benchmark.
    """
    before, after = _read(base), _read(head)
    found = [change for name in before if name in after for change in _compare_one(name, before[name], after[name])]
    if not found:
        raise OptionError(f"expected files that share a benchmark; {base} and {head} have no benchmark in common")
    return found


def _compare_one(name: str, base: Mapping[str, Any], head: Mapping[str, Any]) -> Iterator[Change]:
    if _MEMORY in base["extra_info"] and _MEMORY in head["extra_info"]:
        before, after = base["extra_info"][_MEMORY], head["extra_info"][_MEMORY]
        yield Change(name, "peak memory", before, after, MIN_CHANGE)
        return
    spreads = [run["stats"]["iqr"] / run["stats"]["median"] for run in (base, head)]
    few = min(run["stats"]["rounds"] for run in (base, head)) < 3
    noise = max(MIN_CHANGE_OF_ONE if few else MIN_CHANGE, math.hypot(*spreads))
    yield Change(name, "time", base["stats"]["median"], head["stats"]["median"], noise)


def _read(path: Path) -> dict[str, Mapping[str, Any]]:
    try:
        return {row["fullname"]: row for row in json.loads(path.read_text(encoding="utf-8"))["benchmarks"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise OptionError(f"expected a file from pytest --benchmark-json at {path}, got {error!r}") from error


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.compare", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("base", type=Path, metavar="BASE.json")
    parser.add_argument("head", type=Path, metavar="HEAD.json")
    options = parser.parse_args(arguments)
    try:
        found = find_changes(options.base, options.head)
    except SrInferError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    real = sorted((change for change in found if change.is_real), key=lambda change: change.ratio, reverse=True)
    for change in real:
        print(f"{change.ratio:6.2f}x  (noise {change.noise:.0%})  {change.quantity} of {change.name}")
    print(f"{len(real)} of {len(found)} measurements changed beyond the noise")
    return 0


if __name__ == "__main__":
    sys.exit(main())
