"""Names and paths of models, and the catalogue."""

import shutil
from pathlib import Path

import pytest

from sr_infer import ModelNotFoundError, available_models, model_zoo
from sr_infer.errors import ModelError


@pytest.fixture
def shop(network: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "models"
    folder.mkdir()
    shutil.copy(network, folder / "tiny-x2.onnx")
    model_zoo.write_catalogue(folder)
    return folder


def test_catalogue_names_file_size_and_card(shop: Path) -> None:
    (row,) = available_models(shop)
    assert (row.name, row.size_bytes) == ("tiny-x2", row.path.stat().st_size)
    assert row.card.architecture == "tiny"
    row.verify()


def test_a_file_that_is_not_the_shipped_one_is_noticed(shop: Path) -> None:
    (row,) = available_models(shop)
    row.path.write_bytes(row.path.read_bytes() + b"\0")
    with pytest.raises(ModelError, match="install sr-infer again"):
        row.verify()


def test_every_shipped_file_is_in_the_catalogue_and_whole() -> None:
    rows = available_models()
    assert {row.path for row in rows} == set(model_zoo.MODELS_FOLDER.glob("*.onnx"))
    for row in rows:
        row.verify()
        assert f"-x{row.card.scale}" in row.name


def test_a_bare_name_is_never_a_file_in_the_current_folder(
    network: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert Path("network.onnx").is_file()
    with pytest.raises(ModelNotFoundError, match="current folder"):
        model_zoo.find("network.onnx")
    assert model_zoo.find("./network.onnx") == Path("network.onnx")
    assert model_zoo.find(Path("network.onnx")) == Path("network.onnx")
