"""`python -m exporters.passes_table CHECKPOINT...`: print the table of docs/passes.md, measured here, as Markdown."""

import argparse
import sys
from pathlib import Path

from exporters.checkpoints.read import read_checkpoint
from exporters.passes.apply import BEFORE_INT8, FINAL, FLOAT, INT8, Outcome, apply_passes
from exporters.run_graph import compare_speed
from exporters.trace import trace
from exporters.verify import references
from sr_infer.errors import SrInferError

NOT_RUN = "int8 only"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m exporters.passes_table", description=__doc__)
    parser.add_argument("checkpoints", nargs="+", type=Path, metavar="CHECKPOINT")
    checkpoints: list[Path] = parser.parse_args(arguments).checkpoints
    try:
        columns = [_gains(path) for path in checkpoints]
    except SrInferError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    _print_row("pass", "what it does", "when it refuses", *(path.stem for path in checkpoints))
    _print_row(*["---"] * (3 + len(columns)))
    for one in (*FLOAT, *BEFORE_INT8, *INT8, *FINAL):
        _print_row(f"`{one.name}`", one.does, one.refuses, *(column.get(one.name, NOT_RUN) for column in columns))
    _print_row("all together", "", "", *(column["all"] for column in columns))
    return 0


def _gains(checkpoint: Path) -> dict[str, str]:
    """Pass name -> its speedup; "all" compares the traced graph with the last one. Int8 passes do not run."""
    source = read_checkpoint(checkpoint)
    unit = source.unit_range()
    traced = trace(unit)
    model, outcomes = apply_passes(traced, references(unit), passes=(*FLOAT, *FINAL), time_all=True)
    return {outcome.name: _cell(outcome) for outcome in outcomes} | {
        "all": f"{compare_speed(traced, model, threads=1).speedup:.2f}x"
    }


def _cell(outcome: Outcome) -> str:
    if outcome.speed is None:
        return f"refused: {outcome.note}" if outcome.note else "-"
    said = [f"{outcome.speed.speedup:.2f}x" + ("" if outcome.kept else ", left out")]
    return "; ".join([*said, outcome.note] if outcome.kept and outcome.note else said)


def _print_row(*cells: str) -> None:
    print(f"| {' | '.join(cells)} |")


if __name__ == "__main__":
    sys.exit(main())
