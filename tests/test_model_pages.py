"""The committed pages of the shipped models speak of the files that are shipped."""

from pathlib import Path

import pytest

from sr_infer import ShippedModel, available_models

PAGES = Path(__file__).parent.parent / "docs" / "models"


@pytest.mark.parametrize("model", available_models(), ids=lambda model: model.name)
def test_every_model_has_a_page_of_its_own_file(model: ShippedModel) -> None:
    name = model.name.removesuffix("-int8")
    page = (PAGES / f"{name}.md").read_text()
    assert model.sha256 in page
    assert f"({name}.webp)" in page
    assert (PAGES / f"{name}.webp").stat().st_size > 10_000
