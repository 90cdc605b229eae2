"""Real runs of `python -m training.compress drc` on a tiny DRN, and what each stage claims."""

import copy
import csv
import json
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from PIL import Image
from skimage import data

import sr_infer
import training
from exporters.to_onnx import main as export
from training.checkpoint import load_network, load_tensors, save_network
from training.compress.__main__ import main
from training.compress.drc.distillation import TailDistillation
from training.compress.drc.recipe import read_drc_recipe
from training.data.folder import scan_folder
from training.loop.trainer import Limits, Trainer
from training.losses import ReconstructionLoss
from training.networks import DRNConfig, build_network
from training.recipe import read_recipe

KilledRun = Callable[[Sequence[str], Path], None]
RECIPES = Path(training.__file__).parent / "recipes"
DENSE = """
name = "tiny"

[network]
architecture = "drn"
scale = 4
blocks = 1
features = 8

[training]
steps = 60
batch = 4
lr_patch_px = 8
learning_rate = 2e-3
dual = true
"""
RECIPE = """
[widths]
multiple = 4

[alpha]
learning_rate = 3e-2

[search]
steps = 16
batch = 2
lr_patch_px = 8
learning_rate = 1e-3
dual = true
validate_every = 4

[pruning]
channels_per_step = 4
batches = 2
batch = 2
lr_patch_px = 8

[fine_tuning]
steps = 24
batch = 4
lr_patch_px = 8
learning_rate = 1e-3
dual = true
validate_every = 6
"""


def command(recipe: Path, dense: Path, pictures: Path, out: Path) -> list[str]:
    return ["drc", str(recipe), "--from", str(dense), "--data", str(pictures), "--out", str(out)]


def test_every_stage_leaves_its_artefacts_and_a_line_of_json(run: Path, dense: Path) -> None:
    stages = [json.loads(line) for line in (run / "stages.jsonl").read_text().splitlines()]
    assert [stage["stage"] for stage in stages] == ["widths", "pruning", "fine-tuning"]
    assert 0.35 < stages[0]["share"] <= 0.5
    widths = tomllib.loads((run / "widths.toml").read_text())
    _, config, pruned, _ = load_network(run / "pruned.safetensors")
    parameters = sum(p.numel() for p in pruned.parameters())
    assert stages[1]["parameters"] == widths["parameters"] == parameters < 0.5 * 123_149
    assert config.down_widths[0] == widths["widths"]["down.0.conv1"]
    assert config.block_widths[1][0] == widths["widths"]["up.1.blocks.0.conv1"]
    with (run / "search" / "curve.csv").open() as file:
        curve = list(csv.DictReader(file))
    assert len(curve) == 16
    assert float(curve[-1]["mean_entropy_nats"]) < float(curve[0]["mean_entropy_nats"])
    with Image.open(run / "search" / "curve.png") as picture:
        assert picture.width > picture.height > 300
        assert len(picture.convert("RGB").getcolors(1 << 24)) > 50


def test_fine_tuning_repairs_what_pruning_broke(run: Path, dense: Path) -> None:
    with (run / "log.csv").open() as file:
        losses = [float(row["loss"]) for row in csv.DictReader(file)]
    assert losses[-1] < losses[0]
    _, _, _, header = load_network(run / "tiny50-x4.safetensors")
    assert header["history"]["started_from"] == "tiny after 60 steps"
    assert "50% of the macs" in header["recipe"]["note"]
    before, after = (load_tensors(run / f"{name}-dual.safetensors")[0] for name in ("pruned", "tiny50-x4"))
    assert all(not torch.equal(before[name], after[name]) for name in before)


def test_networks_are_called_by_name(
    recipe: Path, dense: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = ["drc", str(recipe), "--from", "tiny-x4", "--ratio", "0.5", "--show"]
    assert main(arguments) == 2
    assert "no checkpoint at runs/tiny-x4/tiny-x4.safetensors" in capsys.readouterr().err
    for folder in ("weights", "runs/tiny-x4"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "tiny-x4.safetensors").write_bytes(dense.read_bytes())
        assert main(arguments) == 0
        (tmp_path / "weights" / "tiny-x4.safetensors").write_text("older than the run")


@pytest.mark.slow
def test_the_result_is_exported_and_upscales(run: Path, tmp_path: Path) -> None:
    onnx = tmp_path / "compressed.onnx"
    assert export([str(run / "tiny50-x4.safetensors"), "--output", str(onnx)]) == 0
    lr = data.chelsea()[:30, :40]
    assert sr_infer.upscale(lr, model=str(onnx)).shape == (120, 160, 3)


@pytest.mark.slow
def test_a_run_killed_in_each_stage_ends_where_an_unbroken_one_does(
    run: Path, recipe: Path, dense: Path, pictures: Path, tmp_path: Path, compress_until: KilledRun
) -> None:
    killed = tmp_path / "killed"
    arguments = command(recipe, dense, pictures, killed)
    for place in ("search", "pruning", "."):
        compress_until([*arguments, "--resume"], killed / place / "checkpoint.safetensors")
    assert main([*arguments, "--resume"]) == 0
    assert (run / "widths.toml").read_text() == (killed / "widths.toml").read_text()
    for name in ("search/checkpoint", "pruning/checkpoint", "tiny50-x4"):
        one, other = (load_tensors(out / f"{name}.safetensors")[0] for out in (run, killed))
        assert one.keys() == other.keys()
        assert all(torch.equal(one[key], other[key]) for key in one)


def test_a_widths_file_takes_the_place_of_the_search(
    recipe: Path, dense: Path, pictures: Path, tmp_path: Path, run: Path
) -> None:
    text = (run / "widths.toml").read_text()
    given = tmp_path / "mine.toml"
    given.write_text(text.replace('"down.1.conv1" = 8', '"down.1.conv1" = 5'))
    assert given.read_text() != text
    out = tmp_path / "out"
    assert main([*command(recipe, dense, pictures, out), "--widths", str(given), "--max-steps", "2"]) == 0
    assert not (out / "search").exists()
    assert load_network(out / "tiny50-x4.safetensors")[1].down_widths[1] == 5


def test_dual_networks_are_learnt_where_none_lie_beside_the_weights(
    recipe: Path, dense: Path, pictures: Path, tmp_path: Path
) -> None:
    alone = tmp_path / "alone.safetensors"
    alone.write_bytes(dense.read_bytes())
    recipe.write_text(RECIPE.replace("multiple = 4", 'multiple = 4\nby = "uniform"'))
    assert main([*command(recipe, alone, pictures, tmp_path / "out"), "--max-steps", "1"]) == 0
    learnt = load_tensors(tmp_path / "out" / "pruned-dual.safetensors")[0]
    loss = ReconstructionLoss(load_network(dense)[1], dual=True)
    trained = load_tensors(dense.with_name("tiny-dual.safetensors"))[0]
    bank_lr = torch.from_numpy(data.chelsea()[100:164, 100:164].copy()).permute(2, 0, 1)[None].float()
    misses = []
    for state in (loss.duals.state_dict(), learnt, trained):
        loss.duals.load_state_dict(state)
        misses.append((loss.duals[1](bank_lr) - torch.nn.functional.avg_pool2d(bank_lr, 2)).abs().mean().item())
    assert misses[1] < 0.5 * misses[0]


def test_an_earlier_run_is_neither_overwritten_nor_mixed_with_another(
    run: Path, recipe: Path, dense: Path, pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = command(recipe, dense, pictures, run)
    assert main(arguments) == 2
    assert "holds a run; go on with --resume" in capsys.readouterr().err
    others = {
        "recipe": ["--ratio", "0.3"],
        "list of widths": ["--widths", str(run / "widths.toml")],
        "teacher": ["--teacher", str(dense)],
    }
    for name, other in others.items():
        assert main([*arguments, *other, "--resume"]) == 2
        assert f"began with another {name}; give another --out" in capsys.readouterr().err


def test_show_prints_candidates_and_trains_nothing(
    recipe: Path, dense: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["drc", str(recipe), "--from", str(dense), "--out", str(tmp_path / "run"), "--show"]) == 0
    assert "4 layers of 32 channels, to 8, 12, 16" in capsys.readouterr().out
    assert not (tmp_path / "run").exists()
    arguments = ["drc", str(recipe), "--from", str(dense), "--show", "--ratio", "0.95"]
    assert main(arguments) == 2
    assert "give a smaller ratio or multiple" in capsys.readouterr().err


def test_a_teacher_pulls_the_features_of_the_last_tail(pictures: Path, tmp_path: Path, dense: Path) -> None:
    torch.manual_seed(3)
    teacher = build_network("drn", DRNConfig(scale=4, blocks=1, features=16))
    recipe = tmp_path / "dense.toml"
    recipe.write_text(DENSE.replace("steps = 60", "steps = 10"))
    lr = torch.rand(1, 3, 12, 12, generator=torch.Generator().manual_seed(0)) * 255
    distances = []
    for weight in (0.0, 10.0):
        trainer = Trainer(
            read_recipe(recipe),
            scan_folder(pictures),
            tmp_path / str(weight),
            device=torch.device("cpu"),
            limits=Limits(),
        )
        trainer.start_from(dense)
        trainer.use_loss(TailDistillation(trainer.loss, teacher, weight))
        trainer.run()
        assert not any("teacher" in name for name in load_tensors(trainer.out / "checkpoint.safetensors")[0])
        with torch.no_grad():
            mine, its = (net._features(lr)[-1].mean(dim=1) for net in (trainer.network, teacher))
        distances.append((mine - its).square().mean().item())
    assert distances[1] < 0.7 * distances[0]


def test_a_teacher_that_equals_its_student_adds_nothing_with_the_dual_loss_on_hr() -> None:
    config = DRNConfig(scale=4, blocks=1, features=8)
    network = build_network("drn", config)
    loss = ReconstructionLoss(config, dual=True, dual_on_hr=True)
    generator = torch.Generator().manual_seed(0)
    pyramid = [torch.rand(1, 3, side, side, generator=generator) * 255 for side in (8, 16, 32)]
    with torch.no_grad():
        alone, taught = loss(network, pyramid), TailDistillation(loss, copy.deepcopy(network), 1.0)(network, pyramid)
    assert taught.item() == pytest.approx(alone.item(), rel=1e-6)


def test_a_teacher_of_another_kind_is_refused_at_once(
    recipe: Path, dense: Path, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    teacher, table = tmp_path / "x2.safetensors", {"scale": 2, "blocks": 1, "features": 8}
    save_network(teacher, build_network("drn", DRNConfig(**table)), {"network": {"architecture": "drn", **table}}, {})
    assert main([*command(recipe, dense, pictures, tmp_path / "out"), "--teacher", str(teacher)]) == 2
    assert f"DRNs of one scale; the network is drn x4, {teacher} is drn x2" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("path", sorted(RECIPES.rglob("drc/*.toml")), ids=lambda path: str(path.relative_to(RECIPES)))
def test_every_recipe_runs_two_steps(path: Path, dense: Path, pictures: Path, tmp_path: Path) -> None:
    """On the tiny network with tiny patches."""
    text = path.read_text()
    assert text.startswith("#")
    lines = []
    for line in text.splitlines():
        key = line.split(" = ")[0]
        tiny = {
            "batch": "batch = 2",
            "lr_patch_px": "lr_patch_px = 8",
            "batches": "batches = 1",
            "multiple": "multiple = 4",
        }
        lines.append(tiny.get(key, line))
    small = tmp_path / "small.toml"
    small.write_text("\n".join(lines))
    assert read_drc_recipe(small).fine_tuning.dual is True
    assert main([*command(small, dense, pictures, tmp_path / "out"), "--max-steps", "2"]) == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("multiple = 4", "multiple = 0"), "a multiple of at least 1"),
        (("[alpha]", "[beta]"), "expected [widths], [alpha], [search], [pruning], [fine_tuning]"),
        (("multiple = 4", 'budget = "ms"'), 'the budget "ms" and a latency_table belong together'),
        (("batches = 2", "batches = 0"), "batches must be at least 1"),
        (("learning_rate = 3e-2", 'order = "last"'), 'order is "l1" or "first"'),
    ],
)
def test_a_wrong_recipe_is_one_line_and_exit_code_2(
    change: tuple[str, str], message: str, recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe.write_text(RECIPE.replace(*change))
    assert main(["drc", str(recipe), "--from", str(tmp_path / "no.safetensors"), "--show"]) == 2
    errors = capsys.readouterr().err
    assert errors.count("\n") == 1
    assert message in errors
