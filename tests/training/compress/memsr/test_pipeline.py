"""Real runs of `python -m training.compress memsr` on a tiny teacher."""

import csv
import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import onnx
import pytest
import torch
from skimage import data

import sr_infer
import training
from exporters.to_onnx import main as export
from training.checkpoint import load_network, load_tensors
from training.compress.__main__ import main
from training.compress.memsr.pipeline import read_memsr_recipe
from training.recipe import read_recipe

KilledRun = Callable[[Sequence[str], Path], None]
RECIPES = Path(training.__file__).parent / "recipes"
DENSE = """
name = "tiny-teacher-x2"

[network]
architecture = "edsr"
scale = 2
blocks = 2
width = 8
tail = "shuffle"

[training]
steps = 60
batch = 2
lr_patch_px = 12
learning_rate = 2e-3
precision = "float32"
validate_every = 60
"""
RECIPE = """
name = "tiny-plain"

[student]
width = 16

[initialisation]
patches = 8
directions = "rectified"
bridges = "fitted"
shift = 12.0

[distillation]
weight = 0.3

[training]
steps = 30
batch = 2
lr_patch_px = 12
learning_rate = 1e-4
precision = "float32"
validate_every = 10
"""


def command(recipe: Path, dense: Path, pictures: Path, out: Path) -> list[str]:
    return ["memsr", str(recipe), "--teacher", str(dense), "--data", str(pictures), "--out", str(out)]


def test_the_result_is_plain_and_says_where_it_comes_from(run: Path) -> None:
    architecture, config, _, header = load_network(run / "tiny-plain-x2.safetensors")
    assert (architecture, config.scale, config.widths) == ("plain", 2, (16,) * 6)
    assert header["history"]["started_from"] == "tiny-teacher-x2, made plain"
    assert header["recipe"]["note"] == "Made plain by MemSR from tiny-teacher-x2."


def test_training_stays_above_where_the_student_began(run: Path, dense: Path) -> None:
    with (run / "training" / "log.csv").open() as file:
        psnrs = [float(row["validation_psnr_y_db"]) for row in csv.DictReader(file)]
    with (dense.parent / "log.csv").open() as file:
        of_teacher = float(list(csv.DictReader(file))[-1]["validation_psnr_y_db"])
    assert min(psnrs) > of_teacher - 0.5


def test_bridges_are_learnt_and_the_teacher_stays_out_of_the_checkpoint(run: Path) -> None:
    initial, _ = load_tensors(run / "initial.safetensors")
    trained, _ = load_tensors(run / "training" / "checkpoint.safetensors")
    bridges = {name for name in trained if name.startswith("loss.")}
    assert bridges == {f"loss.bridges.{layer}.{kind}" for layer in range(6) for kind in ("weight", "bias")}
    assert not torch.equal(trained["loss.bridges.3.weight"], initial["bridges.3.weight"])


def test_the_result_is_exported_as_3x3_convolutions_and_relu_and_upscales(run: Path, tmp_path: Path) -> None:
    path = tmp_path / "plain.onnx"
    assert export([str(run / "tiny-plain-x2.safetensors"), "--output", str(path)]) == 0
    nodes = onnx.load(path).graph.node
    layers = Counter(node.op_type for node in nodes if node.op_type != "Cast")  # float16 weights, widened at load
    assert layers == {"Add": 1, "Conv": 7, "Relu": 6, "DepthToSpace": 1}
    kernels = [attribute.ints for node in nodes for attribute in node.attribute if attribute.name == "kernel_shape"]
    assert [list(kernel) for kernel in kernels] == [[3, 3]] * 7
    lr = data.chelsea()[:40, :50]
    assert sr_infer.upscale(lr, model=str(path)).shape == (80, 100, 3)


def test_a_run_killed_in_training_ends_where_an_unbroken_one_does(
    run: Path, recipe: Path, dense: Path, pictures: Path, tmp_path: Path, compress_until: KilledRun
) -> None:
    killed = tmp_path / "killed"
    arguments = [*command(recipe, dense, pictures, killed), "--resume"]
    compress_until(arguments, killed / "training" / "checkpoint.safetensors")
    assert main(arguments) == 0
    one, other = (load_tensors(out / "tiny-plain-x2.safetensors")[0] for out in (run, killed))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[key], other[key]) for key in one)


def test_a_finished_student_is_trained_on(
    run: Path, recipe: Path, dense: Path, pictures: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    student = run / "tiny-plain-x2.safetensors"
    with caplog.at_level("INFO"):
        assert main([*command(recipe, dense, pictures, tmp_path / "run"), "--from", str(student)]) == 0
    begins = re.search(r"the student begins at ([\d.]+) dB", caplog.text)
    assert begins is not None
    with (run / "training" / "log.csv").open() as file:
        ended = float(list(csv.DictReader(file))[-1]["validation_psnr_y_db"])
    assert abs(float(begins[1]) - ended) < 0.03  # weights rounded to float16 in between, PSNR-Y to two decimals
    _, config, _, header = load_network(tmp_path / "run" / "tiny-plain-x2.safetensors")
    assert config.widths == (16,) * 6
    assert header["history"]["started_from"] == "tiny-plain-x2 after 30 steps, itself from tiny-teacher-x2, made plain"


def test_dual_networks_are_learnt_along(recipe: Path, dense: Path, pictures: Path, tmp_path: Path) -> None:
    duals = []
    for steps in ("1", "30"):
        recipe.write_text(RECIPE.replace("learning_rate = 1e-4", "learning_rate = 5e-3\ndual = true"))
        assert main([*command(recipe, dense, pictures, tmp_path / steps), "--max-steps", steps]) == 0
        duals.append(load_tensors(tmp_path / steps / "training" / "tiny-plain-x2-dual.safetensors")[0])
    assert all((duals[0][name] - duals[1][name]).abs().max() > 1e-3 for name in duals[0])


def test_what_is_no_student_of_this_teacher_is_refused(
    recipe: Path, dense: Path, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command(recipe, dense, pictures, tmp_path / "run"), "--from", str(dense)]) == 2
    assert "is no student of tiny-teacher-x2: expected 7 layers, x2" in capsys.readouterr().err


def test_show_prints_the_teacher_as_a_plain_network_and_trains_nothing(
    recipe: Path, dense: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["memsr", str(recipe), "--teacher", str(dense), "--out", str(tmp_path / "run"), "--show"]
    assert main(arguments) == 0
    assert "as a plain network 7 convolutions, 8, 24, 16, 24, .. 8 wide" in capsys.readouterr().out
    assert not (tmp_path / "run").exists()


def test_an_earlier_run_is_neither_overwritten_nor_mixed_with_another_teacher(
    recipe: Path, dense: Path, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [*command(recipe, dense, pictures, tmp_path / "run"), "--max-steps", "1"]
    assert main(arguments) == 0
    assert main(arguments) == 2
    assert "holds a run; go on with --resume" in capsys.readouterr().err
    recipe.write_text(RECIPE.replace("width = 16", "width = 24"))
    assert main([*arguments, "--resume"]) == 2
    assert "began with another recipe; give another --out" in capsys.readouterr().err
    other = tmp_path / "other.safetensors"
    other.write_bytes(dense.read_bytes().replace(b'"minutes\\": 0', b'"minutes\\": 1', 1))
    arguments[arguments.index(str(dense))] = str(other)
    assert main([*arguments, "--resume"]) == 2
    assert "began with another recipe and another teacher; give another --out" in capsys.readouterr().err


@pytest.mark.parametrize("path", sorted(RECIPES.rglob("memsr/*.toml")), ids=lambda path: str(path.relative_to(RECIPES)))
def test_every_recipe_runs_two_steps(path: Path, dense: Path, pictures: Path, tmp_path: Path) -> None:
    """With tiny patches."""
    small = tmp_path / "small.toml"
    small.write_text(re.sub(r"^(batch|lr_patch_px|patches) = .*", r"\1 = 8", path.read_text(), flags=re.MULTILINE))
    assert main([*command(small, dense, pictures, tmp_path / "out"), "--max-steps", "2"]) == 0
    recipe = read_memsr_recipe(path)
    assert path.stem.startswith(recipe.name.removeprefix("memsr-"))
    _, config, _, _ = load_network(tmp_path / "out" / f"{recipe.name}-x2.safetensors")
    assert config.widths == (64,) * 6


@pytest.mark.parametrize(
    ("student", "teacher"),
    [("plain-s", "s"), ("plain-m", "m"), ("plain-l", "l"), ("plain-x014", "m"), ("plain-x005", "m")],
)
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_every_student_of_the_paper_has_its_teacher(student: str, teacher: str, scale: int) -> None:
    residual = read_recipe(RECIPES / "paper" / f"memsr-teacher-{teacher}-x{scale}.toml")
    recipe = read_memsr_recipe(RECIPES / "paper" / "memsr" / f"plain-m-x{scale}.toml").with_student(student)
    assert (recipe.name, recipe.blocks) == (f"memsr-{student}", residual.network.blocks)
    assert recipe.student.width in (0, residual.network.width)
    assert (recipe.training.steps, recipe.training.lr_patch_px) == (1_000_000, residual.training.lr_patch_px)


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (("width = 16", "width = 16\ntheta = 0.1"), [], "[student]: give one of width and theta"),
        (("[student]", "[pupil]"), [], "expected name, [student], [initialisation], [distillation], [training]"),
        (("weight = 0.3", "weight = -1"), [], "[distillation]: weight must not be negative"),
        (
            ("", ""),
            ["--student", "plain-m"],
            "is made of a teacher of 16 blocks, and tiny-teacher-x2.safetensors has 2",
        ),
        (("", ""), [], "expected --data with a folder"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    change: tuple[str, str],
    options: list[str],
    message: str,
    recipe: Path,
    dense: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    recipe.write_text(RECIPE.replace(*change))
    capsys.readouterr()
    assert main(["memsr", str(recipe), "--teacher", str(dense), *options]) == 2
    errors = capsys.readouterr().err
    assert errors.count("\n") == 1
    assert message in errors
