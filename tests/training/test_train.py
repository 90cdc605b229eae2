"""Real runs of `python -m training.train` on a tiny network."""

import csv
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from training.checkpoint import load_network, load_tensors, save_tensors
from training.data.folder import scan_folder
from training.loop.schedule import learning_rate
from training.loop.trainer import Limits, Trainer
from training.recipe import read_recipe
from training.train import main


def test_the_same_seed_gives_the_same_run(tiny_recipe: Path, pictures: Path, tmp_path: Path) -> None:
    for out in ("first", "second"):
        assert main([str(tiny_recipe), "--data", str(pictures), "--out", str(tmp_path / out)]) == 0
    assert _losses(tmp_path / "first") == _losses(tmp_path / "second")
    _assert_same_weights(tmp_path / "first", tmp_path / "second")


def test_a_resumed_run_ends_where_an_unbroken_one_does(tiny_recipe: Path, pictures: Path, tmp_path: Path) -> None:
    """Constant rate, so that stopping at step 3 is the first half of the unbroken run."""
    text = tiny_recipe.read_text().replace("learning_rate = 1e-3", "learning_rate = 1e-3\nfinal_learning_rate = 1e-3")
    tiny_recipe.write_text(text)
    common = [str(tiny_recipe), "--data", str(pictures), "--out"]
    assert main([*common, str(tmp_path / "unbroken")]) == 0
    assert main([*common, str(tmp_path / "resumed"), "--max-steps", "3", "--resume"]) == 0, "nothing there: a start"
    assert main([*common, str(tmp_path / "resumed"), "--resume"]) == 0
    assert _losses(tmp_path / "unbroken") == _losses(tmp_path / "resumed")
    _assert_same_weights(tmp_path / "unbroken", tmp_path / "resumed")


def test_interrupting_leaves_a_checkpoint_to_resume(tiny_recipe: Path, pictures: Path, tmp_path: Path) -> None:
    tiny_recipe.write_text(tiny_recipe.read_text().replace("steps = 6", "steps = 100_000"))
    command = [sys.executable, "-m", "training.train", tiny_recipe, "--data", pictures, "--out", tmp_path / "run"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not (tmp_path / "run" / "checkpoint.safetensors").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors.rstrip().endswith("--resume goes on")
    _, header = load_tensors(tmp_path / "run" / "checkpoint.safetensors")
    more = header["step"] + 2
    arguments = [str(tiny_recipe), "--data", str(pictures), "--out", str(tmp_path / "run")]
    assert main([*arguments, "--resume", "--max-steps", str(more)]) == 0
    assert load_tensors(tmp_path / "run" / "checkpoint.safetensors")[1]["step"] == more


class _InterruptsAStep:
    """Behind the update of the weights, before the step is counted."""

    def before_update(self, step: int) -> None:
        pass

    def after_update(self, step: int, learning_rate: float) -> None:
        if step == 3:
            signal.raise_signal(signal.SIGINT)

    def state(self) -> dict[str, Tensor]:
        return {}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        pass


def test_a_run_interrupted_within_a_step_ends_where_an_unbroken_one_does(
    tiny_recipe: Path, pictures: Path, tmp_path: Path
) -> None:
    unbroken, interrupted, resumed = (
        Trainer(
            read_recipe(tiny_recipe),
            scan_folder(pictures),
            tmp_path / out,
            device=torch.device("cpu"),
            limits=Limits(),
        )
        for out in ("unbroken", "interrupted", "interrupted")
    )
    unbroken.run()
    interrupted.hooks["interrupt"] = _InterruptsAStep()
    with pytest.raises(KeyboardInterrupt):
        interrupted.run()
    resumed.resume()
    assert resumed.step == 4
    resumed.run()
    _assert_same_weights(unbroken.out, resumed.out)


def test_an_earlier_run_is_neither_overwritten_nor_mixed_with_another_recipe(
    tiny_recipe: Path, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [str(tiny_recipe), "--data", str(pictures), "--out", str(tmp_path / "run"), "--max-steps", "1"]
    assert main(arguments) == 0
    assert main(arguments) == 2
    assert "holds a run; go on with --resume, or give another --out" in capsys.readouterr().err
    tiny_recipe.write_text(tiny_recipe.read_text().replace("1e-3", "2e-3"))
    assert main([*arguments, "--resume"]) == 2
    assert "began with another recipe; give another --out" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (("--max-steps", "0"), "a limit of steps must be positive, got 0"),
        (("--max-steps", "-1"), "a limit of steps must be positive, got -1"),
        (("--max-minutes", "nan"), "a limit of minutes must be positive, got nan"),
        (("--device", "banana"), "expected a device of this machine"),
        (("--device", "cuda:99"), "expected a device of this machine"),
    ],
)
def test_a_wrong_option_is_one_line_and_exit_code_2(
    option: tuple[str, str], message: str, tiny_recipe: Path, pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tiny_recipe.parent / "run"
    assert main([str(tiny_recipe), "--data", str(pictures), "--out", str(out), *option]) == 2
    errors = capsys.readouterr().err
    assert errors.count("\n") == 1
    assert message in errors


def test_out_is_a_folder(tiny_recipe: Path, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tiny_recipe), "--data", str(pictures), "--out", str(tiny_recipe)]) == 2
    assert "tiny.toml is a file; expected the folder of a run" in capsys.readouterr().err


def test_training_learns(tiny_recipe: Path, pictures: Path, tmp_path: Path) -> None:
    text = (
        tiny_recipe.read_text().replace("steps = 6", "steps = 60").replace("validate_every = 3", "validate_every = 20")
    )
    tiny_recipe.write_text(text.replace('"float32"', '"bf16"'))
    assert main([str(tiny_recipe), "--data", str(pictures), "--out", str(tmp_path / "run")]) == 0
    losses = _losses(tmp_path / "run")
    assert losses[-1] < 0.7 * losses[0]


@pytest.mark.parametrize(("steps", "loss"), [(6, "at step 3 the loss (nan)"), (1, "at step 1 the loss (")])
def test_a_run_that_diverges_is_an_error_and_leaves_no_weights(
    steps: int, loss: str, tiny_recipe: Path, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny_recipe.write_text(tiny_recipe.read_text().replace("1e-3", "1e30").replace("steps = 6", f"steps = {steps}"))
    assert main([str(tiny_recipe), "--data", str(pictures), "--out", str(tmp_path / "run")]) == 2
    assert f"error: {loss}" in capsys.readouterr().err
    assert not list((tmp_path / "run").glob("*.safetensors"))


def test_drn_trains_with_its_dual_networks(pictures: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "dual.toml"
    recipe.write_text(
        'name = "dual"\n[network]\narchitecture = "drn"\nscale = 4\nblocks = 1\nfeatures = 4\n'
        "[training]\nsteps = 3\nbatch = 2\nlr_patch_px = 8\nlearning_rate = 1e-3\ndual = true\n"
    )
    assert main([str(recipe), "--data", str(pictures), "--out", str(tmp_path / "run")]) == 0
    tensors, _ = load_tensors(tmp_path / "run" / "checkpoint.safetensors")
    assert {"loss.duals.0.0.weight", "loss.duals.1.2.weight"} <= tensors.keys()
    _, config, network, header = load_network(tmp_path / "run" / "dual.safetensors")
    assert config.scale == 4
    assert header["history"]["steps"] == 3
    assert torch.isfinite(network(torch.rand(1, 3, 5, 7) * 255)).all()


def test_two_processes_train_as_one_with_the_joined_batch(tiny_recipe: Path, pictures: Path, tmp_path: Path) -> None:
    _train_apart(_TORCHRUN, tiny_recipe, "--data", pictures, "--out", tmp_path / "two")
    _train_apart([sys.executable], tiny_recipe, "--data", pictures, "--out", tmp_path / "one")
    assert _losses(tmp_path / "two") == pytest.approx(_losses(tmp_path / "one"), rel=1e-4)


def test_weights_are_as_readable_as_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "new").touch()
    save_tensors(tmp_path / "weights.safetensors", {"weight": torch.ones(2)}, {})
    assert (tmp_path / "weights.safetensors").stat().st_mode == (tmp_path / "new").stat().st_mode


def test_minutes_end_two_processes_at_the_same_step(tiny_recipe: Path, pictures: Path, tmp_path: Path) -> None:
    tiny_recipe.write_text(tiny_recipe.read_text().replace("steps = 6", "steps = 1_000_000"))
    _train_apart(_TORCHRUN, tiny_recipe, "--data", pictures, "--out", tmp_path / "run", "--max-minutes", "0.1")
    assert float(_rows(tmp_path / "run")[-1]["elapsed_s"]) >= 6


def test_minutes_end_the_schedule_at_its_floor(tiny_recipe: Path, pictures: Path, tmp_path: Path) -> None:
    tiny_recipe.write_text(tiny_recipe.read_text().replace("steps = 6", "steps = 1_000_000"))
    arguments = ["--data", str(pictures), "--out", str(tmp_path / "run"), "--max-minutes", "0.1"]
    assert main([str(tiny_recipe), *arguments]) == 0
    last = _rows(tmp_path / "run")[-1]
    assert float(last["elapsed_s"]) >= 6
    assert float(last["learning_rate"]) < 0.1 * 1e-3


@pytest.mark.parametrize("schedule", ["cosine", "one-cycle"])
def test_schedules_end_at_the_final_rate(schedule: str, tiny_recipe: Path) -> None:
    extra = f'schedule = "{schedule}"\nfinal_learning_rate = 1e-6\nwarmup_steps = 2\n'
    tiny_recipe.write_text(tiny_recipe.read_text() + extra)
    settings = read_recipe(tiny_recipe).training
    rates = [learning_rate(settings, step=step, progress=step / 100) for step in range(101)]
    assert max(rates) == pytest.approx(1e-3, rel=0.01)
    assert rates[0] <= 5e-4
    assert rates[-1] == pytest.approx(1e-6)


def test_halving_halves(tiny_recipe: Path) -> None:
    settings = replace(read_recipe(tiny_recipe).training, schedule="halving", halve_every=10, final_learning_rate=2e-4)
    rates = [learning_rate(settings, step=step, progress=0.0) for step in (0, 9, 10, 29, 30, 1000)]
    assert rates == pytest.approx([1e-3, 1e-3, 5e-4, 2.5e-4, 2e-4, 2e-4])


def test_gradients_are_clipped_as_a_whole(tiny_recipe: Path, pictures: Path, tmp_path: Path) -> None:
    norms = []
    for clip_norm in (0.0, 0.5):
        recipe = read_recipe(tiny_recipe)
        recipe = replace(recipe, training=replace(recipe.training, clip_norm=clip_norm))
        out = tmp_path / str(clip_norm)
        trainer = Trainer(recipe, scan_folder(pictures), out, device=torch.device("cpu"), limits=Limits())
        trainer.one_step()
        norms.append(
            float(torch.stack([p.grad.norm() for p in trainer.updater.parameters if p.grad is not None]).norm())
        )
    assert norms[0] > 1
    assert norms[1] == pytest.approx(0.5, rel=1e-3)


@pytest.mark.parametrize("decay", [0.0, 0.05])
def test_averaged_weights_follow_at_their_decay(
    decay: float, tiny_recipe: Path, pictures: Path, tmp_path: Path
) -> None:
    recipe = read_recipe(tiny_recipe)
    recipe = replace(recipe, training=replace(recipe.training, ema_decay=decay))
    trainer = Trainer(recipe, scan_folder(pictures), tmp_path, device=torch.device("cpu"), limits=Limits())
    expected = trainer.network.head.weight.detach().clone()
    for _ in range(3):
        trainer.one_step()
        expected = decay * expected + (1 - decay) * trainer.network.head.weight.detach()
    torch.testing.assert_close(trainer.ema.head.weight, expected)


@pytest.mark.parametrize("dual", ["false", "true"])
def test_x4_starts_from_x2(dual: str, tiny_recipe: Path, pictures: Path, tmp_path: Path) -> None:
    tiny_recipe.write_text(tiny_recipe.read_text() + f"dual = {dual}\n")
    assert main([str(tiny_recipe), "--data", str(pictures), "--out", str(tmp_path / "x2")]) == 0
    tiny_recipe.write_text(tiny_recipe.read_text().replace("scale = 2", "scale = 4").replace("_px = 16", "_px = 8"))
    arguments = ["--out", str(tmp_path / "x4"), "--from", str(tmp_path / "x2" / "tiny.safetensors")]
    assert main([str(tiny_recipe), "--data", str(pictures), *arguments]) == 0
    assert load_tensors(tmp_path / "x4" / "tiny.safetensors")[1]["history"]["started_from"] == "tiny after 6 steps"


@pytest.mark.parametrize(
    ("tail", "wider"),
    [
        ('"shuffle"', "width = 12"),
        ('"shuffle"', "width = 8\ninner_widths = [12]"),
        ('"upsampler"', "width = 12"),
    ],
    ids=["all channels", "inside the blocks", "before a shuffle"],
)
def test_a_wider_network_starts_as_good_as_the_narrow_one(
    tail: str, wider: str, tiny_recipe: Path, pictures: Path, tmp_path: Path
) -> None:
    narrow = tiny_recipe.read_text().replace('"shuffle"', tail)
    tiny_recipe.write_text(narrow)
    assert main([str(tiny_recipe), "--data", str(pictures), "--out", str(tmp_path / "narrow")]) == 0
    hardly_trained = narrow.replace("learning_rate = 1e-3", "learning_rate = 1e-7")
    tiny_recipe.write_text(hardly_trained.replace("width = 8", wider))
    arguments = ["--out", str(tmp_path / "wide"), "--from", str(tmp_path / "narrow" / "tiny.safetensors")]
    assert main([str(tiny_recipe), "--data", str(pictures), *arguments, "--max-steps", "1"]) == 0
    lr = torch.rand(1, 3, 24, 24, generator=torch.Generator().manual_seed(0)) * 255
    networks = [load_network(tmp_path / name / "tiny.safetensors")[2] for name in ("narrow", "wide")]
    assert sum(p.numel() for p in networks[1].parameters()) > sum(p.numel() for p in networks[0].parameters())
    with torch.no_grad():
        as_narrow, as_wide = (network(lr) for network in networks)
    assert (as_narrow - as_wide).abs().max() < 0.5


def test_a_broken_picture_is_named_and_skipped(
    tiny_recipe: Path, pictures: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copytree(pictures, tmp_path / "data")
    (tmp_path / "data" / "broken.jpg").write_bytes(b"not a picture")
    assert main([str(tiny_recipe), "--data", str(tmp_path / "data"), "--out", str(tmp_path / "run")]) == 0
    assert "broken.jpg" in caplog.text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("steps = 6", "stepps = 6"), "unknown key stepps"),
        (("steps = 6", "steps = 0"), "steps must be at least 1, got 0"),
        (('"edsr"', '"esdr"'), "architecture is one of drn, edsr"),
        (("scale = 2", 'scale = "two"'), "expected scale to be int, got 'two'"),
        (("steps = 6", "steps ="), "cannot read the recipe"),
        (("[network]", "[netwrok]"), "expected name, perhaps note, [network] and [training]"),
        (("[network]", "[[network]]"), "expected a table, got"),
        (('"edsr"', '["edsr"]'), "architecture is one of drn, edsr"),
        (('"tiny"', '"../tiny"'), "expected name to be that of a file without its ending, got '../tiny'"),
        (("steps = 6", "steps = 6\nbetas = [1.5, 0.9]"), "betas must be in [0, 1), got (1.5, 0.9)"),
        (("width = 8", "width = 8\ninner_widths = [-3]"), "inner_widths needs entries of at least 1, got -3"),
    ],
    ids=[
        "unknown key",
        "range",
        "architecture",
        "type",
        "not TOML",
        "table",
        "list of tables",
        "type of architecture",
        "name",
        "betas",
        "inner widths",
    ],
)
def test_a_wrong_recipe_is_one_line_and_exit_code_2(
    change: tuple[str, str], message: str, tiny_recipe: Path, pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny_recipe.write_text(tiny_recipe.read_text().replace(*change))
    assert main([str(tiny_recipe), "--data", str(pictures), "--out", str(tiny_recipe.parent / "run")]) == 2
    errors = capsys.readouterr().err
    assert errors.count("\n") == 1
    assert message in errors


_TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]


def _train_apart(start: list[str], *arguments: object) -> None:
    command = [*start, "-m", "training.train", *map(str, arguments), "--device", "cpu"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def _rows(run: Path) -> list[dict[str, str]]:
    with (run / "log.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def _losses(run: Path) -> list[float]:
    return [float(row["loss"]) for row in _rows(run)]


def _assert_same_weights(first: Path, second: Path) -> None:
    a, _ = load_tensors(first / "checkpoint.safetensors")
    b, _ = load_tensors(second / "checkpoint.safetensors")
    assert a.keys() == b.keys()
    assert all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("g++"), reason="torch.compile needs a C++ compiler")
def test_a_compiled_step_learns_the_same(tiny_recipe: Path, pictures: Path, tmp_path: Path) -> None:
    common = [str(tiny_recipe), "--data", str(pictures), "--out"]
    assert main([*common, str(tmp_path / "eager")]) == 0
    assert main([*common, str(tmp_path / "compiled"), "--compile"]) == 0
    assert _losses(tmp_path / "compiled") == pytest.approx(_losses(tmp_path / "eager"), rel=1e-3)
