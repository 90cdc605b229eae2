"""The other sections: shipped models, memory, ways to run them, the papers' costs, the ablation tables."""

from collections.abc import Sequence

from benchmarks import choosing, paper
from benchmarks.evidence.__main__ import TABLES, read_rows
from benchmarks.paper_quality import printed_network
from benchmarks.report.document import Commands, Heading, Part, Table, Text, table_from_markdown
from benchmarks.timing.results import Results
from sr_infer import ShippedModel


def memory(results: Results, models: Sequence[ShippedModel]) -> list[Part]:
    """Show peak memory at 96x96 and 1920x1080."""
    rows = []
    for model in models:
        small = results.get("calls", model.name).get("first_call")
        cases = {} if small is None else {"96x96": small}
        cases |= {
            f"1920x1080, {name}": case for name, case in results.get("large", model.name).get("cases", {}).items()
        }
        for name, case in cases.items():
            if "skipped" in case:
                rows.append([f"`{model.name}`", name, "-", "-", "-", case["skipped"]])
                continue
            imported, peak = case["imported_bytes"] / 1e6, case["peak_bytes"] / 1e6
            figures = [f"{imported:.0f}", f"{peak:.0f}", f"{peak - imported:.0f}", f"{case['call_ms'] / 1e3:.2f}"]
            rows.append([f"`{model.name}`", name, *figures])
    if not rows:
        return []
    return [
        Heading("How much memory"),
        Text(
            "Resident memory of a new process in MB: after import, at the peak, and the difference. The difference "
            "includes the model, the image, the result and the working set. The x4 result of 1920x1080 px needs 99.5 "
            "MB."
        ),
        Table(["model", "case", "after import", "peak", "added", "seconds"], rows, words=("case",)),
    ]


def ways(results: Results) -> list[Part]:
    """Show the cost of each command."""
    found = results.get("ways", choosing.MODEL)
    if not found:
        return []
    return [
        Heading("Ways to run it"),
        Text(
            f"Whole commands with `{choosing.MODEL}` on photographs of {choosing.WIDTH}x{choosing.HEIGHT} px. The "
            "first picture includes the start of Python and of the network. For `batch` it includes the start of Ray, "
            "whose actors are the workers. Memory is the resident memory of all processes of the command."
        ),
        table_from_markdown(choosing.table(found)),
    ]


def costs() -> list[Part]:
    """Compare the papers' costs with ours."""
    rows = []
    for figure in paper.compare_printed_values():
        convention = figure.row.convention
        counted = convention.parameters if figure.column == "parameters" else convention.macs
        cells = [figure.row.network, figure.row.table, figure.column, figure.printed, figure.ours]
        rows.append([*cells, figure.verdict, counted])
    equal = sum(row[5] == "equal" for row in rows)
    known = sum(row[5].startswith("known") for row in rows)
    words = ("paper", "figure", "verdict", "counted")
    headers = ["network", "paper", "figure", "printed", "ours", "verdict", "counted"]
    return [
        Heading("The papers' costs, rebuilt"),
        Text(
            f"The papers print {len(rows)} numbers of parameters and multiply-accumulates. {equal} equal ours in all "
            f"printed digits, {known} differ for a known reason, and {len(rows) - equal - known} differ without a "
            f"known reason."
        ),
        Table(headers, rows, words=words, folded="All rows"),
        Commands(["python -m benchmarks.paper"]),
    ]


def evidence() -> list[Part]:
    """Show the ablation tables with committed rows."""
    parts: list[Part] = []
    for name, module in sorted(TABLES.items()):
        if rows := read_rows(name):
            summary = module.__doc__.strip().partition("\n")[0]
            parts += [Heading(name.upper(), 3), Text(summary), *_tables(module.table(rows))]
    if not parts:
        return []
    text = "Ablations on tiny networks, with one short run per row. They show tendencies, not the papers' results."
    return [Heading("Evidence"), Text(text), *parts]


def _tables(markdown: str) -> list[Part]:
    """Split Markdown into tables and paragraphs."""
    parts: list[Part] = []
    for paragraph in markdown.strip().split("\n\n"):
        parts.append(table_from_markdown(paragraph) if paragraph.startswith("|") else Text(paragraph))
    return parts


def networks(models: Sequence[ShippedModel]) -> list[Part]:
    """Show facts about the shipped models."""
    rows = [
        [
            f"`{model.name}`",
            printed_network(model.name) or model.card.architecture,
            f"x{model.card.scale}",
            model.card.precision,
            f"{model.card.params:,}",
            f"{model.card.macs_per_px:,}",
            f"{model.size_bytes / 1e6:.1f}",
        ]
        for model in models
    ]
    headers = ["model", "network", "scale", "precision", "parameters", "MACs per px", "file MB"]
    return [Table(headers, rows, words=("network", "precision"))]
