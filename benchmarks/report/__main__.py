"""`python -m benchmarks.report`: write benchmarks/report.html and docs/BENCHMARKS.md from the collected results."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.contribute import other_machines
from benchmarks.report import sections_quality, sections_rest, sections_speed
from benchmarks.report.document import Commands, Heading, Part, Table, Text, Verdicts
from benchmarks.report.markdown import write_markdown
from benchmarks.report.page import write_page
from benchmarks.report.targets import judge_targets
from benchmarks.timing.results import Results
from sr_infer import ShippedModel, available_models

ROOT = Path(__file__).parents[2]
PAGE, MARKDOWN, IMAGES = ROOT / "benchmarks/report.html", ROOT / "docs/BENCHMARKS.md", ROOT / "docs/images"
TITLE = "sr-infer, measured"


def document(results: Results, models: Sequence[ShippedModel]) -> list[Part]:
    """Build all parts of the report."""
    floats = [model for model in models if model.card.precision != "int8"]
    card = results.machine()
    machines = other_machines(apart_from=card)
    return [
        Heading(TITLE, 1),
        Text(
            f"Speed, memory and quality of every shipped model on {card['cpu']}, {card['cores']} cores, compared with "
            "other networks and engines. `make report` measures everything on this page."
        ),
        *sections_rest.networks(models),
        Heading("Targets"),
        Text("A ratio is the median over rounds in which all candidates ran in turns."),
        Verdicts(judge_targets(results, list(models))),
        *sections_speed.calls(results, models, machines),
        *sections_speed.engines(results, floats),
        *sections_speed.alternatives(results, floats),
        *sections_quality.quality(results, models),
        *sections_quality.pareto(results, models),
        *sections_rest.memory(results, models),
        *sections_speed.tiles(results, floats),
        *sections_speed.breakdown(results, floats),
        *sections_rest.ways(results),
        *sections_rest.costs(),
        *sections_rest.evidence(),
        Heading("The machine"),
        _machine(card),
        Heading("Do it yourself"),
        Text(
            "`collect` keeps results under `build/benchmarks`, so an interrupted run continues where it stopped. Name "
            "your own benchmark folders; nothing is downloaded. `contribute` adds your machine as a column to this "
            "page."
        ),
        Commands(
            [
                "pip install '.[dev,peers,ray]'",
                "python -m benchmarks.collect --quality Set5 Set14",
                "python -m benchmarks.report",
                "python -m benchmarks.contribute",
            ],
            takes_hours=True,
        ),
    ]


def main() -> int:
    parts = document(Results(), available_models())
    write_page(parts, PAGE, title=TITLE)
    write_markdown(parts, MARKDOWN, images=IMAGES)
    for path in (PAGE, MARKDOWN):
        print(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1e3:.0f} kB")
    return 0


def _machine(card: Mapping[str, Any]) -> Table:
    features = card["features"]
    facts = {
        "processor": card["cpu"],
        "instructions": features if isinstance(features, str) else ", ".join(features),
        "cores": str(card["cores"]),
        "memory": f"{card['memory_gb']} GB available",
        "system": card["system"],
        "Python": card["python"],
        **card["packages"],
    }
    return Table(["", "what"], [[name, value] for name, value in facts.items()], words=("what",))


if __name__ == "__main__":
    sys.exit(main())
