"""The committed rows are known and unique, and the tables are printed without a training run."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch.nn.functional import conv2d
from torch.nn.utils import parametrize

from benchmarks.evidence import drc, memsr, srp
from benchmarks.evidence.__main__ import FOLDER, TABLES, main
from benchmarks.evidence.memsr_figures import main as draw_memsr
from benchmarks.evidence.plain_starts import Branches, build_random_plain
from benchmarks.evidence.similarity import linear_cka
from training.compress.__main__ import SMALL_MEMSR
from training.compress.memsr.pipeline import read_memsr_recipe
from training.networks import PlainConfig

TABLE = FOLDER / "srp.jsonl"


def read_committed(name: str) -> list[dict[str, Any]]:
    """Read the lines of a table's file."""
    return [json.loads(line) for line in (FOLDER / f"{name}.jsonl").read_text().splitlines()]


def test_the_paper_s_comparison_has_every_method_at_every_ratio() -> None:
    of_table_1 = {(row.method, row.ratio) for row in srp.rows(1) if row.method != "dense"}
    assert of_table_1 == {(method, ratio) for method in ("srp", "l1", "scratch") for ratio in (0.3, 0.5, 0.7, 0.9)}
    assert {(row.tied_by, row.through) for row in srp.rows(1) if row.method == "srp"} == {
        ("random", "adam"),
        ("norm", "adam"),
        ("random", "decoupled"),
    }


@pytest.mark.parametrize("name", TABLES)
def test_committed_rows_are_known_and_unique(name: str) -> None:
    rows = [line["row"] for line in read_committed(name)]
    known = [asdict(row) for seed in {row["seed"] for row in rows} for row in TABLES[name].rows(seed)]
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
    tried = ("not adapted", "rho 0.3, like pairs")
    assert {("adaptation", kind, adapted) for kind in ("nearest", "bd", "jpeg") for adapted in tried} <= asked
    assert {("widths", "0.5", choice) for choice in ("uniform", "searched", "searched without dual")} <= asked
    assert len(asked) == len(drc.rows(1))


def test_the_table_of_dual_regression_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["drc"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "| question | of | tried | parameters | PSNR-Y | seeds |"
    rows = {(row["question"], row["of"], row["tried"]) for row in (line["row"] for line in read_committed("drc"))}
    assert len(printed) == 2 + len(rows)


def test_memsr_asks_every_question_of_the_paper() -> None:
    asked = {(row.question, row.tried) for row in memsr.rows(1)}
    starts = ("winning", "winning, as in the paper", "random, He", "random, Xavier", "random, RepVGG branches")
    assert {("start", start) for start in starts} <= asked
    assert {question for question, _ in asked} == {
        *(
            "teacher",
            "start",
            "distillation",
            "balance",
            "shift",
            "tail",
            "ReLU",
            "ones",
            "widths",
            "found widths",
            "memory",
        )
    }
    assert len(asked) == len(memsr.rows(1)) > len(memsr.rows(2))


def test_each_row_of_memsr_differs_from_the_others() -> None:
    recipe = read_memsr_recipe(SMALL_MEMSR)
    trial = memsr.TRIALS["distillation", "as the recipe"]
    assert (trial.initialisation, trial.distillation) == (recipe.initialisation, recipe.distillation)
    assert trial.student.activation == recipe.student.activation
    assert len(set(memsr.TRIALS.values())) == len(memsr.TRIALS)


def test_the_table_of_memsr_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["memsr"]) == 0
    printed = capsys.readouterr().out
    for row in (line["row"] for line in read_committed("memsr")):
        if row["question"] == "found widths":
            assert f"Widths of srpn-lite-x4, {row['tried']}: " in printed
        else:
            assert f"| {row['tried']} |" in printed


def test_the_winning_start_beats_random_starts_before_and_after_training() -> None:
    starts = {
        line["row"]["tried"]: line["psnr_y_db"]
        for line in read_committed("memsr")
        if line["row"]["question"] == "start"
    }
    winning = starts.pop("winning")
    for random in (curve for name, curve in starts.items() if name.startswith("random")):
        assert winning[0][1] > random[0][1] + 5
        assert winning[-1][1] > random[-1][1]


def test_figures_of_memsr_are_drawn(tmp_path: Path) -> None:
    path = tmp_path / "memsr.png"
    assert draw_memsr(["--output", str(path)]) == 0
    with Image.open(path) as picture:
        assert picture.width > 3 * picture.height
        assert len(picture.convert("RGB").getcolors(1 << 24)) > 50


def test_similarity_ignores_rotation_and_scale_but_not_other_features() -> None:
    generator = torch.Generator().manual_seed(0)
    features, others = (torch.randn(2, 6, 20, 20, generator=generator) for _ in range(2))
    turn = torch.linalg.qr(torch.randn(6, 6, generator=generator))[0]
    turned = 3 * torch.einsum("oc,nchw->nohw", turn, features) + 5
    assert linear_cka(features, turned) == pytest.approx(1)
    assert linear_cka(features, others) < 0.1
    half = torch.cat((features[:, :3], others[:, :3]), dim=1)
    assert 0.3 < linear_cka(features, half) < 0.7


def test_branches_compute_the_sum_of_their_convolutions_and_train() -> None:
    layer = build_random_plain(PlainConfig(scale=2, widths=(4, 4)), "branches", seed=1).body[2]
    kernel, lr = layer.weight.detach().clone(), torch.randn(1, 4, 9, 7)
    branches = Branches(layer)
    parametrize.register_parametrization(layer, "weight", branches)
    with torch.no_grad():
        apart = conv2d(lr, kernel, layer.bias, padding=1) + conv2d(lr, branches.pointwise) + lr
        torch.testing.assert_close(layer(lr), apart)
    layer(lr).sum().backward()
    assert branches.pointwise.grad.abs().max() > 0


@pytest.mark.parametrize(("kind", "deviation"), [("he", (2 / 288) ** 0.5), ("xavier", (2 / 576) ** 0.5)])
def test_random_starts_have_the_expected_variance(kind: str, deviation: float) -> None:
    layer = build_random_plain(PlainConfig(scale=2, widths=(32, 32)), kind, seed=1).body[2]
    assert layer.weight.std().item() == pytest.approx(deviation, rel=0.05)
    assert not layer.bias.any()
