"""The report judges targets by measured rounds; its page is self-contained, its Markdown has all images."""

import re
from dataclasses import asdict
from pathlib import Path

import pytest

from benchmarks import choosing
from benchmarks.collectors import breakdown, large
from benchmarks.contribute import other_machines
from benchmarks.report.__main__ import document
from benchmarks.report.document import Verdict, table_from_markdown
from benchmarks.report.markdown import write_markdown
from benchmarks.report.page import write_page
from benchmarks.report.targets import judge_targets
from benchmarks.timing.interleaved import Timing
from benchmarks.timing.machine import machine_card
from benchmarks.timing.results import Results
from sr_infer import ShippedModel, available_models


@pytest.fixture(scope="module")
def model() -> ShippedModel:
    return next(model for model in available_models() if model.name == "srpn-lite-x2")


@pytest.fixture
def results(tmp_path: Path) -> Results:
    return Results(tmp_path / "results")


def engines(**times_ms: float) -> dict[str, object]:
    names = {"ours": "sr-infer", "plain": "onnxruntime, unoptimised export", "ncnn": "ncnn"}
    rows = [asdict(Timing(name=names[key], times_ms=[ms, 2 * ms, 1.5 * ms])) for key, ms in times_ms.items()]
    return {"races": [{"threads": 2, "race": rows}]}


def test_targets_are_met_or_missed_by_paired_ratios(results: Results, model: ShippedModel) -> None:
    results.keep("engines", model.name, model.sha256, engines(ours=10, plain=12, ncnn=15))
    speed, plain = (verdict for verdict in judge_targets(results, [model]) if verdict.measured.endswith("x"))
    assert (speed.measured, speed.word) == ("1.20x", "missed")
    assert "onnxruntime" in speed.target
    assert (plain.measured, plain.word) == ("1.20x", "met")
    results.keep("engines", model.name, model.sha256, engines(ours=10, plain=30, ncnn=25))
    assert judge_targets(results, [model])[0].measured == "2.50x"
    assert judge_targets(results, [model])[0].met


def test_a_missing_measurement_is_not_measured(results: Results, model: ShippedModel) -> None:
    assert {verdict.word for verdict in judge_targets(results, [model])} == {"not measured"}
    assert Verdict("t", "m", False).word == "missed"


def test_a_result_is_current_until_the_file_changes(results: Results, model: ShippedModel) -> None:
    results.keep("large", model.name, model.sha256, {"skipped": "too slow"})
    assert results.is_current("large", model.name, model.sha256)
    assert not results.is_current("large", model.name, "another")
    assert results.get("large", model.name) == {}


def test_a_small_budget_computes_more_halo(model: ShippedModel) -> None:
    assert 1 < large.halo_factor(model, None) <= large.halo_factor(model, "300MB") < 2


def test_the_report_is_complete(results: Results, model: ShippedModel, tmp_path: Path) -> None:
    found = breakdown.measure(model)
    shares = [found[name] for name in found if name.endswith("_ms") and name != "call_ms"]
    assert min(shares) >= 0
    assert sum(shares) == pytest.approx(found["call_ms"], rel=0.2)
    assert found["network_gflops"] > 0
    results.keep("breakdown", model.name, model.sha256, found)
    cost = {"first_s": 7.2, "further_ms": 280.0, "peak_bytes": 1_537_000_000}
    results.keep("ways", choosing.MODEL, model.sha256, {"upscale": cost, "batch": {"skipped": "not installed: ray"}})
    blocks = document(results, [model])
    write_page(blocks, tmp_path / "report.html", title="measured")
    write_markdown(blocks, tmp_path / "BENCHMARKS.md", images=tmp_path / "images")

    page = (tmp_path / "report.html").read_text()
    assert len(page) < 1_500_000
    assert not re.findall(r'(?:src|href)="(?!#|data:)', page)
    assert "<svg" in page
    assert model.name in page
    anchors = set(re.findall(r'href="#([^"]+)"', page))
    assert anchors <= set(re.findall(r'id="([^"]+)"', page))

    text = (tmp_path / "BENCHMARKS.md").read_text()
    assert "| `upscale` | 7.2 s | 280 ms | 1537 MB |" in text
    assert "| `batch` | not installed: ray |" in text
    pictures = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", text)
    assert pictures
    assert all((tmp_path / picture).is_file() for picture in pictures)


def test_a_markdown_table_is_parsed() -> None:
    table = table_from_markdown("| a | b |\n|---|---|\n| 1 |  |")
    assert (table.headers, table.rows) == (["a", "b"], [["1", ""]])


def test_other_machines_become_columns(tmp_path: Path) -> None:
    card = machine_card()
    contents = '{"machine": {"cpu": "Some Core i5", "cores": 6}, "models": {"m": {"p50_ms": 12.4}}}'
    (tmp_path / "some-core-i5-6.json").write_text(contents)
    assert list(other_machines(apart_from=card, folder=tmp_path)) == ["Some Core i5, 6 cores"]
    assert other_machines(apart_from={"cpu": "Some Core i5", "cores": 6}, folder=tmp_path) == {}
