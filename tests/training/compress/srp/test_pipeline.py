"""Real runs of `python -m training.compress srp` on a tiny network."""

import csv
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from PIL import Image
from skimage import data

import sr_infer
import training
from exporters.to_onnx import main as export
from training.checkpoint import load_network, load_tensors
from training.compress.__main__ import main
from training.compress.channel_groups import trace_channel_groups
from training.compress.srp.pipeline import read_srp_recipe

KilledRun = Callable[[Sequence[str], Path], None]
DENSE = """
name = "tiny"

[network]
architecture = "edsr"
scale = 2
blocks = 1
width = 8
tail = "shuffle"

[training]
steps = 40
batch = 2
lr_patch_px = 12
learning_rate = 2e-3
precision = "float32"
validate_every = 40
"""
RECIPE = """
name = "tiny"

[selection]
width = 5

[growth]
increment = 10.0
every = 2
ceiling = 100.0

[regularisation]
steps = 100
batch = 2
lr_patch_px = 12
learning_rate = 4e-3
final_learning_rate = 4e-3
precision = "float32"
validate_every = 20

[fine_tuning]
steps = 30
batch = 2
lr_patch_px = 12
learning_rate = 1e-3
precision = "float32"
validate_every = 10
"""


def command(recipe: Path, dense: Path, pictures: Path, out: Path) -> list[str]:
    return ["srp", str(recipe), "--from", str(dense), "--data", str(pictures), "--out", str(out)]


def test_chosen_filters_are_driven_to_zero_and_no_others(run: Path, dense: Path) -> None:
    _, _, before, _ = load_network(dense)
    driven, _ = load_tensors(run / "regularised" / "checkpoint.safetensors")
    smallest = before.body[0].conv1.weight.detach().abs().mean(dim=(1, 2, 3)).argsort()[:3].sort().values
    assert torch.equal(driven["penalty.chosen.body.0.conv1"], smallest)
    tied = [driven[f"penalty.chosen.{layer}"] for layer in ("head", "body.0.conv2", "body.1")]
    assert torch.equal(tied[0], tied[1])
    assert torch.equal(tied[0], tied[2])
    assert "penalty.chosen.tail.0" not in driven
    for layer in ("head", "body.0.conv1", "body.0.conv2", "body.1"):
        chosen = driven[f"penalty.chosen.{layer}"]
        kept = torch.tensor([index for index in range(8) if index not in chosen])
        for kind in ("weight", "bias"):
            then = before.get_parameter(f"{layer}.{kind}").detach().abs()
            now = driven[f"network.{layer}.{kind}"].abs()
            assert now[chosen].mean() < 0.25 * then[chosen].mean()
            assert now[kept].mean() > 0.6 * then[kept].mean()


def test_dual_networks_outlive_the_removal(recipe: Path, dense: Path, pictures: Path, tmp_path: Path) -> None:
    recipe.write_text(RECIPE.replace('precision = "float32"', 'precision = "float32"\ndual = true'))
    out = tmp_path / "run"
    assert main([*command(recipe, dense, pictures, out), "--max-steps", "2"]) == 0
    name = "tiny-x2-dual.safetensors"
    driven, tuned = (load_tensors(folder / name)[0] for folder in (out / "regularised", out))
    assert all((driven[key] - tuned[key]).abs().max() < 3e-3 for key in driven), "two steps of 1e-3"


def test_the_result_is_narrow_fine_tuned_and_says_where_it_comes_from(run: Path) -> None:
    _, config, pruned, header = load_network(run / "tiny-x2.safetensors")
    assert (config.width, config.inner_widths) == (5, (5,))
    assert pruned.tail[0].weight.shape == (12, 5, 3, 3)
    assert header["history"]["started_from"] == "100 regularised steps on tiny after 40 steps"
    assert header["recipe"]["note"] == "Pruned by SRP, tied filters by random, seed 1."
    with (run / "log.csv").open() as file:
        losses = [float(row["loss"]) for row in csv.DictReader(file)]
    assert losses[-1] < losses[0]


def test_removal_costs_far_less_than_without_regularisation(
    run: Path, recipe: Path, dense: Path, pictures: Path, tmp_path: Path
) -> None:
    """What the network computes, before and behind the removal."""
    recipe.write_text(RECIPE.replace("ceiling = 100.0", "ceiling = 0.0"))
    at_once = tmp_path / "out"
    assert main([*command(recipe, dense, pictures, at_once), "--max-steps", "1"]) == 0
    assert not (at_once / "regularised").exists()
    lr = torch.rand(1, 3, 24, 24, generator=torch.Generator().manual_seed(0)) * 255
    changes = []
    for whole, narrow in ((run / "regularised" / "tiny-x2.safetensors", run), (dense, at_once)):
        with torch.no_grad():
            before, behind = (load_network(path)[2](lr) for path in (whole, narrow / "removed.safetensors"))
        changes.append((before - behind).abs().mean().item())
    assert changes[0] < 0.3 * changes[1]


def test_the_curves_are_a_picture(run: Path) -> None:
    with Image.open(run / "regularised" / "filters.png") as picture:
        assert picture.format == "PNG"
        assert picture.width > picture.height > 300
        assert len(picture.convert("RGB").getcolors(1 << 24)) > 50


def test_the_result_is_exported_and_upscales(run: Path, tmp_path: Path) -> None:
    onnx = tmp_path / "pruned.onnx"
    assert export([str(run / "tiny-x2.safetensors"), "--output", str(onnx)]) == 0
    lr = data.chelsea()[:40, :50]
    assert sr_infer.upscale(lr, model=str(onnx)).shape == (80, 100, 3)


def test_a_run_killed_in_each_phase_ends_where_an_unbroken_one_does(
    run: Path, recipe: Path, dense: Path, pictures: Path, tmp_path: Path, compress_until: KilledRun
) -> None:
    killed = tmp_path / "killed"
    arguments = command(recipe, dense, pictures, killed)
    for checkpoint in (killed / "regularised" / "checkpoint.safetensors", killed / "checkpoint.safetensors"):
        compress_until([*arguments, "--resume"], checkpoint)
    assert main([*arguments, "--resume"]) == 0
    for name in ("regularised/checkpoint.safetensors", "tiny-x2.safetensors"):
        one, other = (load_tensors(out / name)[0] for out in (run, killed))
        assert one.keys() == other.keys()
        assert all(torch.equal(one[key], other[key]) for key in one)


def test_show_prints_the_groups_and_trains_nothing(
    recipe: Path, dense: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["srp", str(recipe), "--from", str(dense), "--out", str(tmp_path / "run"), "--show", "--ratio", "0.25"]
    assert main(arguments) == 0
    shown = capsys.readouterr().out
    _, _, network, _ = load_network(dense)
    assert [line.split()[0] for line in shown.splitlines()] == ["group", "tied", "free", "kept", "2,852"]
    assert shown.splitlines()[2].split() == ["free", "8", "6", "body.0.conv1"]
    assert trace_channel_groups(network).table().splitlines()[0] == shown.splitlines()[0]
    assert not (tmp_path / "run").exists()


def test_a_target_that_removes_nothing_is_refused(
    recipe: Path, dense: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["srp", str(recipe), "--from", str(dense), "--show", "--width", "8"]) == 2
    assert "removes nothing from this network" in capsys.readouterr().err


def test_an_earlier_run_is_neither_overwritten_nor_mixed_with_another(
    recipe: Path, dense: Path, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [*command(recipe, dense, pictures, tmp_path / "run"), "--max-steps", "2"]
    assert main(arguments) == 0
    assert main(arguments) == 2
    assert "holds a run; go on with --resume" in capsys.readouterr().err
    assert main([*arguments, "--width", "6", "--resume"]) == 2
    assert "began with another recipe; give another --out" in capsys.readouterr().err
    began = tmp_path / "run" / "run.json"
    began.write_text("{")
    assert main([*arguments, "--resume"]) == 2
    assert "cannot read" in capsys.readouterr().err
    began.unlink()
    (tmp_path / "run" / "removed.safetensors").unlink()
    assert main([*arguments, "--width", "6", "--resume"]) == 2
    assert "drives other filters; resume with the weights" in capsys.readouterr().err


@pytest.mark.parametrize("path", sorted((Path(training.__file__).parent / "recipes").rglob("srp/*.toml")), ids=str)
def test_every_recipe_is_read(path: Path) -> None:
    assert path.stem.startswith(read_srp_recipe(path).name)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("steps = 100", "steps = 19"), "the penalty grows for 20 steps"),
        (("width = 5", ""), "[selection]: give one of ratio, width and gmacs"),
        (("[growth]", "[grow]"), "expected name, [selection], [growth], [regularisation], [fine_tuning]"),
        (("every = 2", "evry = 2"), "[growth]: unknown key evry"),
    ],
)
def test_a_wrong_recipe_is_one_line_and_exit_code_2(
    change: tuple[str, str], message: str, recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe.write_text(RECIPE.replace(*change))
    assert main(["srp", str(recipe), "--from", str(tmp_path / "no.safetensors"), "--show"]) == 2
    errors = capsys.readouterr().err
    assert errors.count("\n") == 1
    assert message in errors
