"""The other sections: memory, quality, the papers' cost columns, the evidence tables."""

import importlib
import json
from collections.abc import Sequence
from pathlib import Path

import benchmarks.evidence
from benchmarks import paper
from benchmarks.paper_quality import X4, printed_network, printed_quality
from benchmarks.race import from_json
from benchmarks.report import plots
from benchmarks.report.crops import comparison
from benchmarks.report.document import Block, Commands, Figure, Heading, Table, Text, table_from_markdown
from benchmarks.report.plots import Point
from benchmarks.results import Results
from sr_infer import ShippedModel

EVIDENCE = Path(benchmarks.evidence.__file__).parent


def memory(results: Results, models: Sequence[ShippedModel]) -> list[Block]:
    """Peak memory at 96x96 and 1920x1080."""
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
            "Resident memory of a fresh process in MB: after import, at the peak, and the difference, which holds "
            "model, picture, result and working set. A x4 result of 1920x1080 px alone is 99.5 MB."
        ),
        Table(["model", "case", "after import", "peak", "added", "seconds"], rows, words=("case",)),
    ]


def quality(results: Results, models: Sequence[ShippedModel]) -> list[Block]:
    """PSNR and SSIM beside the papers', and crops."""
    names = [*(model.name for model in models), *sorted({f"bicubic-x{model.card.scale}" for model in models})]
    found = {name: results.get("quality", name) for name in names}
    folders = list(dict.fromkeys(folder for rows in found.values() for folder in rows))
    if not folders:
        return []
    rows = []
    for name, by_folder in found.items():
        for folder, figures in by_folder.items():
            printed = printed_quality(name, folder)
            rows.append(
                [
                    f"`{name}`",
                    folder,
                    f"{figures['psnr_y']:.2f}",
                    f"{figures['ssim_y']:.4f}",
                    "-" if printed is None else f"{printed[0]:.2f}",
                    "-" if printed is None or printed[1] is None else f"{printed[1]:.3f}",
                    "-" if printed is None else f"{figures['psnr_y'] - printed[0]:+.2f}",
                ]
            )
    headers = ["model", "pictures", "PSNR dB", "SSIM", "paper PSNR", "paper SSIM", "gap dB"]
    return [
        Heading("How good"),
        Text(
            "PSNR and SSIM on luma, LR by MATLAB's bicubic, a border of `scale` px cut off, beside what the network's "
            "paper prints. Ours are brief runs on a CPU, a thousandth of what the papers train. Photographs are four "
            "that scikit-image brings, their middle 256x256 px."
        ),
        Table(headers, rows, words=("pictures",)),
        *comparison(models),
    ]


def pareto(results: Results, models: Sequence[ShippedModel]) -> list[Block]:
    """PSNR against latency and against memory, x4 on Set5."""
    ours, memory_points = [], []
    for model in models:
        good = results.get("quality", model.name).get("Set5")
        calls = results.get("calls", model.name)
        if model.card.scale != 4 or not good or not calls:
            continue
        call = from_json(calls["race"])[f"call, threads {calls['threads']}"]
        grown_mb = (calls["first_call"]["peak_bytes"] - calls["first_call"]["imported_bytes"]) / 1e6
        ours.append(Point(model.name, call.latency.median_ms, good["psnr_y"], model.card.params))
        memory_points.append(Point(model.name, grown_mb, good["psnr_y"], model.card.params))
    if not ours:
        return []
    quoted = [
        Point(name, row.latency_ms, row.quality[0][0], row.parameters, hollow=True)
        for name, row in X4.items()
        if row.latency_ms
    ]
    quoted_memory = [
        Point(name, row.memory_mb, row.quality[0][0], row.parameters, hollow=True)
        for name, row in X4.items()
        if row.memory_mb
    ]
    set5 = "PSNR on Set5, dB"
    latency = plots.scatter([*ours, *quoted], x_label="ms for 96x96 px", y_label=set5)
    memory_plot = plots.scatter([*memory_points, *quoted_memory], x_label="MB", y_label=set5)
    return [
        Figure(
            "pareto-latency",
            latency,
            "x4 models, quality against latency; area grows with parameters. Hollow: the papers' own figures, on a "
            "six-core Intel Core i5-8500.",
        ),
        Figure(
            "pareto-memory",
            memory_plot,
            "x4 models, quality against memory. Filled: added after import by a call on 96x96 px. Hollow: as the "
            "papers print it, 1920x1080 HR px on a GTX 1080Ti.",
        ),
    ]


def costs() -> list[Block]:
    """The papers' cost columns, rebuilt."""
    rows = []
    for figure in paper.figures():
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
            f"Of {len(rows)} printed parameters and multiply-accumulates, {equal} come out equal in all printed "
            f"digits, {known} differ for a known reason, and {len(rows) - equal - known} without one."
        ),
        Table(headers, rows, words=words, folded="All rows"),
        Commands(["python -m benchmarks.paper"]),
    ]


def evidence() -> list[Block]:
    """The ablation tables whose rows are committed."""
    blocks: list[Block] = []
    for path in sorted(EVIDENCE.glob("*.jsonl")):
        module = importlib.import_module(f"benchmarks.evidence.{path.stem}")
        table = getattr(module, "table", None)
        if table is None:
            continue
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        summary = (module.__doc__ or path.stem).strip().partition("\n")[0]
        blocks += [Heading(path.stem.upper(), 3), Text(summary), *_tables(table(rows))]
    if not blocks:
        return []
    text = "Ablations on tiny networks, one short run a row: they show directions, not the papers' figures."
    return [Heading("Evidence"), Text(text), *blocks]


def _tables(markdown: str) -> list[Block]:
    """Tables among lines of text."""
    blocks: list[Block] = []
    for paragraph in markdown.strip().split("\n\n"):
        blocks.append(table_from_markdown(paragraph) if paragraph.startswith("|") else Text(paragraph))
    return blocks


def networks(models: Sequence[ShippedModel]) -> list[Block]:
    """What is shipped."""
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
