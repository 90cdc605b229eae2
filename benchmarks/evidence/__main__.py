"""`python -m benchmarks.evidence srp|drc|memsr --data DIR`: run the missing rows of a table, then print it."""

import argparse
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from benchmarks.evidence import drc, memsr, srp
from training.command_line import run_command
from training.data.folder import scan_folder

FOLDER = Path(__file__).parent
TABLES = {"srp": srp, "drc": drc, "memsr": memsr}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.evidence", description=__doc__)
    parser.add_argument("table", choices=list(TABLES))
    parser.add_argument("--data", type=Path, help="folder tree of HR images; without it, the table is only printed")
    parser.add_argument(
        "--seeds", type=int, default=1, help="number of seeds per row; all rows of a seed run before the next seed"
    )
    parser.add_argument("--max-rows", type=int, help="largest number of new rows to run")
    parser.add_argument("--work", type=Path, default=Path("runs/evidence"), help="folder for the files of the runs")
    options = parser.parse_args(arguments)
    return run_command(lambda: _fill(options))


def _fill(options: argparse.Namespace) -> None:
    table = TABLES[options.table]
    done = read_rows(options.table)
    if options.data:
        folder = scan_folder(options.data)
        settings = [line["row"] for line in done]
        wanted = [row for seed in range(1, options.seeds + 1) for row in table.rows(seed)]
        missing = [row for row in wanted if asdict(row) not in settings]
        for row in missing[: options.max_rows]:
            start_s = time.monotonic()
            result = table.measure(row, folder, options.work / options.table)
            minutes = round((time.monotonic() - start_s) / 60, 1)
            done.append({"row": asdict(row), **result, "minutes": minutes, "torch": torch.__version__})
            with _path(options.table).open("a", encoding="utf-8") as file:
                file.write(json.dumps(done[-1]) + "\n")
    print(table.table(done))


def read_rows(table: str) -> list[dict[str, Any]]:
    """Read the committed rows of a table; returns none if its file does not exist."""
    path = _path(table)
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _path(table: str) -> Path:
    return FOLDER / f"{table}.jsonl"


if __name__ == "__main__":
    sys.exit(main())
