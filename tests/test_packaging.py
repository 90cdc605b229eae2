"""The wheel, built and installed as a user would."""

import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest
from PIL import Image
from skimage import data

ROOT = Path(__file__).parent.parent
LARGEST_WHEEL_BYTES = 50 * 10**6


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--outdir", folder, ROOT], check=True, capture_output=True
    )
    return next(folder.glob("*.whl"))


def test_the_wheel_has_models_types_and_licence(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    models = {f"sr_infer/models/{name}.onnx" for name in ("srpn-lite-x2", "srpn-lite-x4", "drn-s50-x4")}
    assert names >= {
        *models,
        "sr_infer/models/catalogue.json",
        "sr_infer/py.typed",
        "training/recipes/srpn-lite-x4.toml",
    }
    assert {Path(name).name for name in names} >= {"LICENSE", "NOTICE"}
    assert {name.split("/")[0].split("-")[0] for name in names} == {"sr_infer", "exporters", "training"}
    assert wheel.stat().st_size < LARGEST_WHEEL_BYTES


def test_it_upscales_from_an_empty_environment(wheel: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "env", with_pip=True)
    scripts = tmp_path / "env" / ("Scripts" if sys.platform == "win32" else "bin")
    subprocess.run([scripts / "python", "-m", "pip", "install", "--quiet", wheel], check=True)
    Image.fromarray(data.chelsea()[:40, :50]).save(tmp_path / "photo.png")
    subprocess.run([scripts / "sr-infer", "upscale", "photo.png", "-o", "large.png"], cwd=tmp_path, check=True)
    assert Image.open(tmp_path / "large.png").size == (200, 160)


def test_import_is_light() -> None:
    script = (
        "import sys, sr_infer; print([m for m in ('torch', 'onnx', 'ray', 'pyarrow', 'gradio') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_import_loads_no_image_library_and_no_engine() -> None:
    script = "import sys, sr_infer; print([m for m in ('numpy', 'PIL', 'onnxruntime') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_public_name_is_there() -> None:
    script = "import sr_infer; print([name for name in sr_infer.__all__ if name not in dir(sr_infer)]); "
    script += "[getattr(sr_infer, name) for name in sr_infer.__all__]"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
