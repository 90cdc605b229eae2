"""`python -m benchmarks.contribute`: measure the shipped models on this machine for a column of the report.

The command writes `benchmarks/machines/<processor>-<cores>.json`. It needs neither torch nor another engine. Send the
file as a pull request.
"""

import argparse
import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.collectors import calls
from benchmarks.timing.interleaved import timings_from_json
from benchmarks.timing.machine import machine_card
from sr_infer import available_models
from sr_infer.atomic_file import atomic_write

MACHINES = Path(__file__).parent / "machines"


def main() -> int:
    argparse.ArgumentParser(prog="python -m benchmarks.contribute", description=__doc__).parse_args()
    card = machine_card()
    rows = {}
    for model in available_models():
        found = calls.measure(model)
        timings = timings_from_json(found["race"])
        rows[model.name] = {
            "sha256": model.sha256,
            "p50_ms": round(timings[f"call, threads {found['threads']}"].latency.median_ms, 2),
            "p50_ms_1_thread": round(timings["call, threads 1"].latency.median_ms, 2),
            "first_call_ms": round(found["first_call"]["call_ms"], 1),
            "grown_bytes": found["first_call"]["peak_bytes"] - found["first_call"]["imported_bytes"],
        }
        print(f"{model.name:24} {rows[model.name]['p50_ms']:8.1f} ms")
    path = MACHINES / f"{_slug(card)}.json"
    with atomic_write(path, make_folder=True) as temporary:
        temporary.write_text(json.dumps({"machine": card, "models": rows}, indent=1) + "\n", encoding="utf-8")
    print(path)
    return 0


def other_machines(*, apart_from: Mapping[str, Any], folder: Path = MACHINES) -> dict[str, dict[str, Any]]:
    """Contributed results by machine name, without the machine that has the card `apart_from`."""
    found = {}
    for path in sorted(folder.glob("*.json")):
        contents = json.loads(path.read_text(encoding="utf-8"))
        card = contents["machine"]
        if _slug(card) != _slug(apart_from):
            found[f"{card['cpu']}, {card['cores']} cores"] = contents
    return found


def format_contributed_ms(machine: Mapping[str, Any], model: str) -> str:
    """Format the contributed median latency of a model in whole ms; a dash if there is none."""
    row = machine["models"].get(model)
    return "-" if row is None else f"{row['p50_ms']:.0f}"


def _slug(card: Mapping[str, Any]) -> str:
    return re.sub(r"[^a-z0-9]+", "-", f"{card['cpu']}-{card['cores']}".lower()).strip("-")


if __name__ == "__main__":
    sys.exit(main())
