"""Other people's .onnx files: raised, widened, verified and written in our form."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from exporters.checkpoints.onnx_file import read_onnx
from exporters.to_onnx import main
from sr_infer import Upscaler
from sr_infer.engine.session import shared
from sr_infer.errors import ModelError

FLOAT, HALF = TensorProto.FLOAT, TensorProto.FLOAT16


def write_network(
    path: Path,
    *,
    opset: int = 11,
    kind: int = FLOAT,
    value_range: float = 1.0,
    size: Sequence[int | str] = ("h", "w"),
    batch: int | str = "n",
    metadata: dict[str, str] | None = None,
) -> Path:
    """Doubles a picture: nearest neighbours, and a little that 3x3 convolutions and PReLU add."""
    rng = np.random.default_rng(0)
    dtype = np.float16 if kind == HALF else np.float32

    def constant(name: str, values: object) -> onnx.TensorProto:
        return numpy_helper.from_array(np.asarray(values, dtype), name)

    nearest = np.zeros((12, 3, 3, 3))
    for channel in range(12):
        nearest[channel, channel // 4, 1, 1] = 1
    tensors = [
        constant("first", rng.normal(0, 0.1, (8, 3, 3, 3))),
        constant("slope", rng.normal(0, 0.3, (8, 1, 1))),
        constant("last", rng.normal(0, 0.02, (12, 8, 3, 3))),
        constant("nearest", nearest),
        constant("shift", np.full((1, 12, 1, 1), 0.01 * value_range)),
    ]
    nodes = [
        helper.make_node("Conv", ["input.1", "first"], ["a"], pads=[1] * 4),
        helper.make_node("PRelu", ["a", "slope"], ["b"]),
        helper.make_node("Conv", ["b", "last"], ["c"], pads=[1] * 4),
        helper.make_node("Conv", ["input.1", "nearest"], ["d"], pads=[1] * 4),
        helper.make_node("Add", ["c", "d"], ["e"]),
        helper.make_node("Add", ["e", "shift"], ["f"]),
        helper.make_node("DepthToSpace", ["f"], ["output.7"], blocksize=2, mode="CRD"),
    ]
    doubled = [2 * side if isinstance(side, int) else f"2{side}" for side in size]
    graph = helper.make_graph(
        nodes,
        "doubling",
        [helper.make_tensor_value_info("input.1", kind, [batch, 3, *size])],
        [helper.make_tensor_value_info("output.7", kind, [batch, 3, *doubled])],
        tensors,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], producer_name="their-tool")
    model.ir_version = 8
    helper.set_model_props(model, metadata or {})
    onnx.save(model, path)
    return path


def run(path: Path, batch: NDArray[np.generic]) -> NDArray[np.float32]:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (output,) = session.run(None, {session.get_inputs()[0].name: batch})
    return np.asarray(output, np.float32)


@pytest.mark.parametrize(
    ("kind", "value_range", "size", "batch", "tolerance"),
    [
        (FLOAT, 1.0, ("h", "w"), "n", 1e-4),
        (FLOAT, 255.0, (40, 40), 1, 1e-4),
        (HALF, 1.0, ("h", "w"), "n", 1 / 255),
    ],
    ids=["float", "0..255 fixed", "float16"],
)
def test_file_of_others_computes_the_same(
    tmp_path: Path, kind: int, value_range: float, size: Sequence[int | str], batch: int | str, tolerance: float
) -> None:
    theirs = write_network(tmp_path / "theirs.onnx", kind=kind, value_range=value_range, size=size, batch=batch)
    assert main([str(theirs), "--output", str(tmp_path / "ours.onnx")]) == 0
    ours = onnx.load(tmp_path / "ours.onnx")
    assert [ours.graph.input[0].name, ours.graph.output[0].name] == ["lr", "sr"]
    assert ours.opset_import[0].version == 18
    lr = np.random.default_rng(1).random((1, 3, 40, 40), np.float32)
    expected = run(theirs, (lr * value_range).astype(np.float16 if kind == HALF else np.float32)) / value_range
    np.testing.assert_allclose(run(tmp_path / "ours.onnx", lr), expected, atol=tolerance)
    card = shared(tmp_path / "ours.onnx").card
    assert (card.scale, card.value_range, card.halo_px, card.window_px) == (2, 1.0, 2, None)
    picture = np.random.default_rng(2).integers(0, 256, (150, 70, 3), np.uint8)
    assert Upscaler(model=tmp_path / "ours.onnx", tile=48)(picture).shape == (300, 140, 3)


def test_licence_producer_and_metadata_are_kept(tmp_path: Path) -> None:
    theirs = write_network(tmp_path / "theirs.onnx", metadata={"license": "MIT", "note": "epoch 7"})
    assert main([str(theirs), "--output", str(tmp_path / "ours.onnx")]) == 0
    metadata = {entry.key: entry.value for entry in onnx.load(tmp_path / "ours.onnx").metadata_props}
    assert (metadata["note"], metadata["original_producer"]) == ("epoch 7", "their-tool")
    assert shared(tmp_path / "ours.onnx").card.licence == "MIT"


def write_other(path: Path, inputs: list[tuple[str, list[int | str]]]) -> Path:
    """A graph that adds up its inputs' means over height and width."""
    graph = helper.make_graph(
        [helper.make_node("GlobalAveragePool", [inputs[0][0]], ["logits"])],
        "other",
        [helper.make_tensor_value_info(name, FLOAT, shape) for name, shape in inputs],
        [helper.make_tensor_value_info("logits", FLOAT, ["n", "c", 1, 1])],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ([("image", ["n", 3, "h", "w"])], "found logits (1, 3, 1, 1)"),
        ([("left", ["n", 3, "h", "w"]), ("right", ["n", 3, "h", "w"])], "found 2: left, right"),
        ([("bands", ["n", 5, "h", "w"])], "found bands float (n, 5, h, w)"),
    ],
    ids=["classifier", "two inputs", "five channels"],
)
def test_what_is_no_super_resolution_network_is_refused_in_one_line(
    tmp_path: Path, inputs: list[tuple[str, list[int | str]]], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    theirs = write_other(tmp_path / "theirs.onnx", inputs)
    assert main([str(theirs), "--output", str(tmp_path / "ours.onnx")]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1
    assert not (tmp_path / "ours.onnx").exists()


def test_file_that_is_no_onnx(tmp_path: Path) -> None:
    (tmp_path / "theirs.onnx").write_bytes(b"GIF89a" * 40)
    with pytest.raises(ModelError, match="no valid ONNX file"):
        read_onnx(tmp_path / "theirs.onnx")
