"""The files elsewhere: in OpenVINO, and int8 on a processor with AVX2 and nothing later."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

from exporters.run_graph import session_for
from sr_infer.engine.session import shared
from sr_infer.model_zoo import MODELS_FOLDER
from tests.exporters.quantization.test_insert_qdq import float_graph, in_8_bits, photograph
from tests.exporters.tiny import Exported

QEMU = shutil.which("qemu-x86_64") or shutil.which("qemu-x86_64-static")
SCRIPT = """
import sys
import numpy as np, onnxruntime
model, lr, sr = sys.argv[1:]
np.save(sr, onnxruntime.InferenceSession(model).run(["sr"], {"lr": np.load(lr)})[0])
"""


def test_openvino_computes_the_same(exported: Callable[[str], Exported]) -> None:
    openvino = pytest.importorskip("openvino")
    file = exported("plain-x3")
    compiled = openvino.Core().compile_model(file.path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    lr = np.random.default_rng(1).random((1, 3, 17, 22), np.float32)
    np.testing.assert_allclose(compiled({"lr": lr})["sr"], file.session.run(lr), atol=1e-4)


@pytest.mark.parametrize("path", sorted(MODELS_FOLDER.glob("*.onnx")), ids=lambda path: path.stem)
def test_openvino_runs_the_shipped_files(path: Path) -> None:
    openvino = pytest.importorskip("openvino")
    compiled = openvino.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    session, lr = shared(path), photograph("astronaut", 24)
    allowed = 1e-4 if session.card.precision == "float32" else 8 / 255
    np.testing.assert_allclose(compiled({"lr": lr})["sr"], session.run(lr), atol=allowed)


@pytest.mark.slow
@pytest.mark.skipif(QEMU is None, reason="needs qemu-user")
def test_int8_on_haswell_agrees_to_one_level(tmp_path: Path) -> None:
    """Without VNNI instructions, products of 8 bits would overflow."""
    small = in_8_bits(float_graph("plain-x3"))
    onnx.save(small, tmp_path / "int8.onnx")
    lr = photograph("astronaut", 32)
    np.save(tmp_path / "lr.npy", lr)
    command = [sys.executable, "-c", SCRIPT, *(tmp_path / name for name in ("int8.onnx", "lr.npy", "sr.npy"))]
    subprocess.run([QEMU, "-cpu", "Haswell", *command], check=True, capture_output=True, text=True)
    here, there = session_for(small).run(["sr"], {"lr": lr})[0], np.load(tmp_path / "sr.npy")
    assert np.mean(np.abs(np.rint(there * 255) - np.rint(here * 255)) <= 1) >= 0.999
