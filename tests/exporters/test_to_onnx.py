"""The command: what it writes, what it says, and what it refuses."""

import json
import subprocess
import sys
from collections.abc import Callable
from mmap import PAGESIZE
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from PIL import Image

import exporters
from exporters.measurements import bytes_per_px
from exporters.passes.apply import FINAL
from exporters.to_onnx import main
from sr_infer.model_card import METADATA_KEY
from tests.exporters.tiny import NETWORKS, Exported, save_checkpoint
from training.checkpoint import load_tensors, save_tensors
from training.networks.cost import count_parameters

ROOT = Path(exporters.__file__).parents[1]


@pytest.mark.parametrize("size_hw", [(1, 1), (3, 2), (17, 31)])
def test_file_computes_what_torch_computes(each: Exported, size_hw: tuple[int, int]) -> None:
    lr = torch.rand(3, 3, *size_hw, generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        expected = each.network(lr).numpy()
    np.testing.assert_allclose(each.session.run(lr.numpy()), expected, atol=1e-4)


def test_graph_names_its_axes_and_pins_its_versions(each: Exported) -> None:
    session = onnxruntime.InferenceSession(each.path)
    assert [(i.name, i.shape) for i in session.get_inputs()] == [("lr", ["batch", 3, "height", "width"])]
    scale = each.card.scale
    sr = session.get_outputs()[0]
    assert (sr.name, sr.shape) == ("sr", ["batch", 3, f"{scale}*height", f"{scale}*width"])
    model = each.model
    onnx.checker.check_model(model, full_check=True)
    assert {entry.domain: entry.version for entry in model.opset_import} == {"": 18}
    assert (model.ir_version, model.producer_name) == (10, "sr-infer")
    assert str(ROOT).encode() not in each.path.read_bytes()


def test_card_says_what_the_file_is(each: Exported) -> None:
    config = NETWORKS[each.path.stem]
    card = each.card
    assert (card.architecture, card.scale, card.value_range) == (config["architecture"], config["scale"], 1.0)
    assert card.params == count_parameters(each.network, mean_shift=False)
    assert card.macs_per_px > 0
    assert 100 < card.bytes_per_px < 100_000
    assert card.halo_8bit_px is not None
    assert 0 <= card.halo_8bit_px <= card.halo_px
    assert card.global_pooling == (card.architecture == "drn")
    assert card.licence == "Apache-2.0"
    assert "5 steps of 4 LR patches of 8 px" in card.trained_on
    assert {"torch", "onnx", "onnxsim", "sr-infer"} <= set(card.exporter)
    metadata = {entry.key: entry.value for entry in each.model.metadata_props}
    assert json.loads(metadata[METADATA_KEY])["scale"] == config["scale"]


def test_halo_is_the_kernels_reach(exported: Callable[[str], Exported]) -> None:
    assert exported("srpn-lite-x2").card.halo_px == 1 + 2 * 2 + 1 + 1
    assert exported("plain-x3").card.halo_px == 3


def test_a_window_too_small_to_be_seen_in_memory_counts_its_input(exported: Callable[[str], Exported]) -> None:
    path = exported("plain-x3").path
    assert 12 <= min(bytes_per_px(path, side_px=4) for _ in range(4)) <= 12 + PAGESIZE / 4**2


def test_another_process_prints_the_card_and_measures_quality(tmp_path: Path) -> None:
    checkpoint = save_checkpoint(tmp_path / "tiny.safetensors", NETWORKS["plain-x3"])
    from PIL import Image
    from skimage import data

    (tmp_path / "pictures").mkdir()
    Image.fromarray(data.astronaut()[:90, :90]).save(tmp_path / "pictures" / "astronaut.png")
    arguments = [str(checkpoint), "--benchmark", "pictures", "--example", "example.npz", "--report", "report.json"]
    done = subprocess.run(
        [sys.executable, "-m", "exporters.to_onnx", *arguments],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("tiny.onnx: x3, ")
    assert "pictures: " in done.stdout
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["traced"]["nodes"] > report["shipped"]["nodes"]
    assert {outcome["name"]: outcome["kept"] for outcome in report["passes"]}["fold_mean_shift"]
    assert [outcome["name"] for outcome in report["passes"]][-4:] == [one.name for one in FINAL]
    assert all(outcome["speed"]["before_ms"] > 0 for outcome in report["passes"] if outcome["kept"])
    assert report["halo"]["propagated_px"] == 3
    assert set(report["largest_difference"]) == {"1x1", "2x3", "7x5", "24x33", "64x48"}
    assert report["quality"]["pictures"]["psnr_y"] > 0
    example = np.load(tmp_path / "example.npz")
    assert (example["lr"].shape, example["sr"].shape) == ((24, 32, 3), (72, 96, 3))


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return save_checkpoint(tmp_path / "in" / "tiny.safetensors", NETWORKS["plain-x3"])


def refusal(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """Run the command, expect it to refuse in one line, and return that line."""
    assert main([str(argument) for argument in arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    return err


def test_missing_checkpoint(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "no checkpoint at" in refusal(capsys, tmp_path / "none.safetensors", "--output", tmp_path / "x.onnx")
    assert list(tmp_path.iterdir()) == []


def test_file_that_is_no_checkpoint(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = tmp_path / "bad.safetensors"
    bad.write_bytes(b"GIF89a" * 100)
    assert "bad.safetensors" in refusal(capsys, bad, "--output", tmp_path / "x.onnx")
    assert list(tmp_path.iterdir()) == [bad]


def test_tensors_that_do_not_fit(checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tensors, header = load_tensors(checkpoint)
    tensors["tail.0.weight"] = tensors["tail.0.weight"][:5]
    del tensors["body.0.bias"]
    save_tensors(checkpoint, tensors, header)
    message = refusal(capsys, checkpoint, "--output", tmp_path / "x.onnx")
    assert "body.0.bias" in message
    assert "tail.0.weight" in message


def test_weights_that_are_not_finite_leave_an_existing_file_alone(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tensors, header = load_tensors(checkpoint)
    tensors["tail.0.bias"][4] = float("nan")
    save_tensors(checkpoint, tensors, header)
    output = tmp_path / "out" / "x.onnx"
    output.parent.mkdir()
    output.write_bytes(b"precious")
    assert "not finite" in refusal(capsys, checkpoint, "--output", output)
    assert [path.read_bytes() for path in output.parent.iterdir()] == [b"precious"]


@pytest.mark.parametrize("option", ["--output", "--report", "--example"])
def test_no_file_is_written_over_another(
    option: str, checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = checkpoint.read_bytes()
    assert "different files" in refusal(capsys, checkpoint, "--output", tmp_path / "x.onnx", option, checkpoint)
    assert checkpoint.read_bytes() == before


def test_a_refused_export_leaves_the_earlier_example(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    example = tmp_path / "example.npz"
    example.write_bytes(b"precious")
    files = ["--output", tmp_path / "x.onnx", "--example", example]
    assert "belong to --int8" in refusal(capsys, checkpoint, *files, "--max-drop", "0.05")
    (tmp_path / "empty").mkdir()
    assert "empty" in refusal(capsys, checkpoint, *files, "--benchmark", tmp_path / "empty")
    assert example.read_bytes() == b"precious"


def test_target_below_a_file(checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert "cannot write" in refusal(capsys, checkpoint, "--output", tmp_path / "file" / "x.onnx")


def test_target_that_is_a_folder(checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.onnx").mkdir()
    assert "is a folder" in refusal(capsys, checkpoint, "--output", tmp_path / "x.onnx")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "x.onnx"]


def test_report_that_cannot_be_written(checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "cannot write" in refusal(capsys, checkpoint, "--output", tmp_path / "x.onnx", "--report", "/proc/x.json")
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_read_only_target(checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "cannot write" in refusal(capsys, checkpoint, "--output", "/proc/x.onnx")


def test_benchmark_folders_of_one_name(checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folders = [tmp_path / name / "HR" for name in ("a", "b")]
    for folder in folders:
        folder.mkdir(parents=True)
        Image.new("RGB", (40, 40)).save(folder / "grey.png")
    output = tmp_path / "x.onnx"
    benchmarks = [part for folder in folders for part in ("--benchmark", folder)]
    assert "different names" in refusal(capsys, checkpoint, "--output", output, *benchmarks)
    assert not output.exists()


def test_benchmark_folder_without_pictures(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    output = tmp_path / "out" / "x.onnx"
    assert "empty" in refusal(capsys, checkpoint, "--output", output, "--benchmark", tmp_path / "empty")
    assert list(output.parent.iterdir()) == []
