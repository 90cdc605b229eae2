"""The committed tables are complete rows in the right order, and are printed without running anything."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest

import benchmarks.evidence
from benchmarks.evidence import drc, srp
from benchmarks.evidence.__main__ import main

TABLE = Path(benchmarks.evidence.__file__).parent / "srp.jsonl"


def test_the_paper_s_comparison_has_every_method_at_every_ratio() -> None:
    of_table_1 = {(row.method, row.ratio) for row in srp.rows(1) if row.method != "dense"}
    assert of_table_1 == {(method, ratio) for method in ("srp", "l1", "scratch") for ratio in (0.3, 0.5, 0.7, 0.9)}
    assert {(row.tied_by, row.through) for row in srp.rows(1) if row.method == "srp"} == {
        ("random", "adam"),
        ("norm", "adam"),
        ("random", "decoupled"),
    }


def test_committed_rows_are_known_and_unique() -> None:
    rows = [json.loads(line)["row"] for line in TABLE.read_text().splitlines()]
    known = [asdict(row) for seed in {row["seed"] for row in rows} for row in srp.rows(seed)]
    assert all(row in known for row in rows)
    assert len({json.dumps(row) for row in rows}) == len(rows)


def test_the_table_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    before = TABLE.read_text()
    assert main(["srp"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "| ratio | method | tied by | through | parameters | PSNR-Y | seeds |"
    assert any(line.startswith("| 0.0 | dense |") for line in printed)
    assert TABLE.read_text() == before


def test_seeds_of_a_row_are_averaged() -> None:
    results = [
        {"row": asdict(srp.Row(method="l1", ratio=0.5, seed=seed)), "psnr_y_db": psnr, "parameters": 1234}
        for seed, psnr in ((1, 30.0), (2, 31.0))
    ]
    assert srp.table(results).splitlines()[2] == "| 0.5 | l1 | norm |  | 1,234 | 30.50 dB ± 0.71 | 2 |"


def test_dual_regression_asks_every_question_of_the_paper() -> None:
    asked = {(row.question, row.of, row.tried) for row in drc.rows(1)}
    methods = ("gamma 0", "gamma 1", "thinet", "lasso", "l1", "scratch")
    assert {("pruning", ratio, method) for ratio in ("0.5", "0.7") for method in methods} <= asked
    assert {("dual", "drn", f"lambda {weight}") for weight in ("0.01", "0.1", "1")} <= asked
    assert {("dual", network, dual) for network in ("drn", "srresnet") for dual in ("none", "bicubic")} <= asked
    assert {("adaptation", kind, f"rho {rho}") for kind in ("nearest", "bd", "jpeg") for rho in (0, 0.3, 0.7)} <= asked
    assert {("widths", "0.5", choice) for choice in ("uniform", "searched", "searched without dual")} <= asked
    assert len(asked) == len(drc.rows(1))


def test_committed_rows_of_dual_regression_are_known_unique_and_printed(capsys: pytest.CaptureFixture[str]) -> None:
    lines = TABLE.with_name("drc.jsonl").read_text().splitlines()
    rows = [json.loads(line)["row"] for line in lines]
    known = [asdict(row) for seed in {row["seed"] for row in rows} for row in drc.rows(seed)]
    assert all(row in known for row in rows)
    assert len({json.dumps(row) for row in rows}) == len(rows)
    assert main(["drc"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "| question | of | tried | parameters | PSNR-Y | seeds |"
    assert len(printed) == 2 + len({(row["question"], row["of"], row["tried"]) for row in rows})
