"""What is shipped: every file is the one in the catalogue and computes what torch computed when it was exported."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw
from skimage import data

from exporters.measurements import border_excess
from sr_infer import DEFAULT_MODEL, ShippedModel, Upscaler, available_models
from sr_infer.metrics import psnr_y
from sr_infer.resize import downscale
from sr_infer.tiling.geometry import plan

EXAMPLES = Path(__file__).parent / "models"
LEAST_SET5_DB = {
    "drn-s50-x4": 32.15,
    "memsr-plain-m-x4": 31.6,
    "srpn-lite-x2": 37.7,
    "srpn-lite-x2-photo": 37.2,
    "srpn-lite-x3": 34.0,
    "srpn-lite-x4": 31.75,
    "srpn-lite-x4-photo": 31.5,
}
MODELS = {model.name: model for model in available_models()}
FLOATS = [model for model in MODELS.values() if model.card.precision == "float32"]
INT8 = [model for model in MODELS.values() if model.card.precision == "int8"]


def test_the_catalogue_has_what_is_promised() -> None:
    assert {model.name for model in FLOATS} == set(LEAST_SET5_DB)
    assert {model.name for model in INT8} == {f"{name}-int8" for name in LEAST_SET5_DB}


def test_no_shipped_model_of_its_scale_is_better_than_the_default() -> None:
    default = MODELS[DEFAULT_MODEL].card
    for model in MODELS.values():
        if model.card.scale == default.scale:
            for folder, quality in model.card.quality.items():
                assert quality.psnr_y < default.quality[folder].psnr_y + 0.05


@pytest.mark.parametrize("model", MODELS.values(), ids=lambda model: model.name)
def test_is_the_file_of_the_catalogue(model: ShippedModel) -> None:
    model.verify()


@pytest.mark.parametrize("model", FLOATS, ids=lambda model: model.name)
def test_replays_what_torch_computed(model: ShippedModel) -> None:
    with np.load(EXAMPLES / f"{model.name}.npz") as example:
        sr = Upscaler(model.name)(example["lr"])
        assert np.abs(sr.astype(int) - example["sr"]).max() <= 1
        assert np.mean(sr != example["sr"]) < 1e-3


@pytest.mark.parametrize("model", INT8, ids=lambda model: model.name)
def test_int8_stays_near_its_float_form(model: ShippedModel) -> None:
    float_form = MODELS[model.name.removesuffix("-int8")]
    for folder, quality in float_form.card.quality.items():
        assert model.card.quality[folder].psnr_y >= quality.psnr_y - 0.05
    assert model.size_bytes < 0.7 * float_form.size_bytes
    with np.load(EXAMPLES / f"{float_form.name}.npz") as example:
        sr = Upscaler(model.name)(example["lr"])
        assert np.mean((sr.astype(int) - example["sr"]) ** 2) < 255**2 / 10 ** (45 / 10)


@pytest.mark.parametrize("model", INT8, ids=lambda model: model.name)
def test_int8_keeps_dark_lines_on_white(model: ShippedModel) -> None:
    """Whose edges are harder than those of most photographs, so that ranges may be too narrow for them."""
    rng = np.random.default_rng(1)
    drawing = Image.new("RGB", (1440, 1440), (236, 240, 248))
    for width in rng.integers(3, 16, 40).tolist():
        ImageDraw.Draw(drawing).line(tuple(rng.integers(0, 1440, 4).tolist()), fill=(16, 18, 32), width=width)
    hr = downscale(np.asarray(drawing), 4)
    scale = model.card.scale
    float_db, int8_db = (
        psnr_y(Upscaler(name)(downscale(hr, scale)), hr, border=scale)
        for name in (model.name.removesuffix("-int8"), model.name)
    )
    assert int8_db > float_db - 0.25


@pytest.mark.parametrize("model", MODELS.values(), ids=lambda model: model.name)
def test_tiles_show_no_seams(model: ShippedModel) -> None:
    """On a photograph that was not used to measure the halo; int8 rounds otherwise in every tile."""
    card = model.card
    levels, least_db = (2, 50) if card.precision == "int8" else (1, 60)
    lr = data.rocket()[120:280, 240:400]
    whole, tiled = (Upscaler(model.name, tile=tile)(lr).astype(np.int16) for tile in (160, 64))
    difference = np.abs(tiled - whole)
    assert np.mean(np.square(difference, dtype=float)) < 255**2 / 10 ** (least_db / 10)
    if card.precision == "int8" and card.global_pooling:  # at sharp detail by more, wherever it is in a tile
        assert np.mean(difference > 3) < 2e-3
        rows = plan((160, 160), tile_px=64, halo_px=card.halo_8bit_px).rows
        borders = [card.scale * row.keep_start for row in rows[1:]]
        assert border_excess(difference, borders, near_px=card.scale) < 1.25
    else:
        assert difference.max() <= levels + card.global_pooling


@pytest.mark.parametrize("model", MODELS.values(), ids=lambda model: model.name)
def test_cards_tell_quality_data_and_licence(model: ShippedModel) -> None:
    card = model.card
    assert card.quality["Set5"].psnr_y >= LEAST_SET5_DB[model.name.removesuffix("-int8")]
    assert "steps" in card.trained_on
    assert "Unsplash" in card.trained_on
    assert card.licence == "Apache-2.0"
    assert 0 < card.halo_8bit_px <= card.halo_px
    assert card.params > 0
    assert card.macs_per_px > 0
