"""`python -m benchmarks.exact`: record the exact costs of the shipped models; a test fails when one grows.

The costs are file size, graph nodes, parameters and multiply-accumulates. They are written to `benchmarks/exact.json`.
Run the command after an export.
"""

import json
import sys
from pathlib import Path

import onnx

from sr_infer import ShippedModel, available_models
from sr_infer.atomic_file import atomic_write

COSTS_FILE = Path(__file__).with_name("exact.json")


def count_exact_costs(model: ShippedModel) -> dict[str, int]:
    """File size, nodes, parameters and multiply-accumulates, which are the same on every machine."""
    return {
        "size_bytes": model.size_bytes,
        "nodes": len(onnx.load(model.path).graph.node),
        "parameters": model.card.params,
        "macs_per_px": model.card.macs_per_px,
    }


def main() -> int:
    costs = {model.name: count_exact_costs(model) for model in available_models()}
    with atomic_write(COSTS_FILE) as temporary:
        temporary.write_text(json.dumps(costs, indent=1) + "\n", encoding="utf-8")
    print(COSTS_FILE.read_text(encoding="utf-8"), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
