"""What is shipped: every file is the one in the catalogue and computes what torch computed when it was exported."""

from pathlib import Path

import numpy as np
import pytest
from skimage import data

from sr_infer import DEFAULT_MODEL, ShippedModel, Upscaler, available_models

EXAMPLES = Path(__file__).parent / "models"


def test_the_catalogue_has_what_is_promised() -> None:
    assert {model.name for model in available_models()} >= {"srpn-lite-x2", "srpn-lite-x4", "drn-s50-x4"}
    assert DEFAULT_MODEL in {model.name for model in available_models()}


@pytest.mark.parametrize("model", available_models(), ids=lambda model: model.name)
def test_replays_the_stored_example(model: ShippedModel) -> None:
    model.verify()
    with np.load(EXAMPLES / f"{model.name}.npz") as example:
        sr = Upscaler(model.name)(example["lr"])
        assert np.abs(sr.astype(int) - example["sr"]).max() <= 1
        assert np.mean(sr != example["sr"]) < 1e-3


@pytest.mark.parametrize("model", available_models(), ids=lambda model: model.name)
def test_tiles_show_no_seams(model: ShippedModel) -> None:
    """On a photograph that was not used to measure the halo."""
    lr = data.rocket()[120:280, 240:400]
    whole, tiled = (Upscaler(model.name, tile=tile)(lr).astype(int) for tile in (160, 64))
    assert np.abs(tiled - whole).max() <= (2 if model.card.precision == "int8" else 1)
    assert np.mean((tiled - whole) ** 2) < 255**2 / 10 ** (60 / 10)


@pytest.mark.parametrize("model", available_models(), ids=lambda model: model.name)
def test_cards_tell_quality_data_and_licence(model: ShippedModel) -> None:
    card = model.card
    least_db = {"srpn-lite-x2": 36.5, "srpn-lite-x4": 30.9, "drn-s50-x4": 29.5}[model.name]
    assert card.quality["Set5"].psnr_y >= least_db
    assert "steps" in card.trained_on
    assert "Unsplash" in card.trained_on
    assert card.licence == "Apache-2.0"
    assert 0 < card.halo_8bit_px <= card.halo_px
    assert card.params > 0
    assert card.macs_per_px > 0
