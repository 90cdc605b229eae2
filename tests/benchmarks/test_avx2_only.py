"""Results of the shipped models on a processor with AVX2 but no later instructions, such as an older Intel Core i5."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sr_infer import ShippedModel, Upscaler, available_models

QEMU = shutil.which("qemu-x86_64") or shutil.which("qemu-x86_64-static")
EXAMPLES = Path(__file__).parents[1] / "models"
SCRIPT = """
import sys
import numpy as np
from sr_infer import Upscaler
model, lr, sr = sys.argv[1:]
np.save(sr, Upscaler(model, threads=1)(np.load(lr)))
"""


@pytest.mark.slow
@pytest.mark.skipif(QEMU is None, reason="needs qemu-user")
@pytest.mark.parametrize("model", available_models(), ids=lambda model: model.name)
def test_haswell_returns_the_same_result_as_this_processor(model: ShippedModel, tmp_path: Path) -> None:
    """Results agree within one level. int8 products that overflow without VNNI would differ far more."""
    with np.load(EXAMPLES / f"{model.name.removesuffix('-int8')}.npz") as example:
        lr = np.ascontiguousarray(example["lr"][:16, :16])
    np.save(tmp_path / "lr.npy", lr)
    command = [sys.executable, "-c", SCRIPT, model.name, tmp_path / "lr.npy", tmp_path / "sr.npy"]
    subprocess.run([QEMU, "-cpu", "Haswell", *command], check=True, capture_output=True, text=True)
    sr, here = np.load(tmp_path / "sr.npy").astype(int), Upscaler(model.name)(lr)
    assert sr.shape == here.shape
    assert np.abs(sr - here).max() <= 1
