"""A program that PyInstaller freezes finds the shipped models."""

import importlib.util
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from sr_infer import available_models

ROOT = Path(__file__).parent.parent
PROGRAM = """
import numpy as np
import sr_infer

large = sr_infer.upscale(np.zeros((8, 8, 3), np.uint8), model="srpn-lite-x2")
print(large.shape, len(sr_infer.available_models()))
"""


@pytest.mark.slow
def test_a_frozen_program_upscales(tmp_path: Path) -> None:
    if importlib.util.find_spec("PyInstaller") is None:
        pytest.skip("needs sr-infer[freeze]")
    venv.create(tmp_path / "env", with_pip=True)  # the hook is found through the entry point of an installed package
    python = tmp_path / "env" / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", ROOT, "pyinstaller"], check=True)
    (tmp_path / "program.py").write_text(PROGRAM, encoding="utf-8")
    freeze = [python, "-m", "PyInstaller", "--noconfirm", "--log-level", "ERROR", "program.py"]
    subprocess.run(freeze, cwd=tmp_path, check=True)
    done = subprocess.run([tmp_path / "dist" / "program" / "program"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"(16, 16, 3) {len(available_models())}"
