"""`model="auto"`: the scale by the size, the photo network for degraded images."""

import io
import logging
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data

import sr_infer
from sr_infer import Upscaler
from sr_infer.choose_model import choose_model, choose_scale
from sr_infer.degradation_signs import grid_strength, sample_luma
from sr_infer.image_io.codec import NO_CODEC, Codec, read_codec
from sr_infer.resize import downscale
from training.data.conditions import degrade_by_name

CLEAN, PHOTO = "srpn-lite-x4-int8", "srpn-lite-x4-photo-int8"
PHOTOGRAPHS = {name: getattr(data, name)() for name in ("astronaut", "chelsea", "coffee", "rocket")}


def encoded(pixels: np.ndarray, kind: str, **settings: object) -> Image.Image:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, **settings)  # type: ignore[arg-type]
    file.seek(0)
    return Image.open(file)


@pytest.fixture(params=PHOTOGRAPHS)
def small(request: pytest.FixtureRequest) -> np.ndarray:
    """A clean LR image, a quarter of a photograph's size."""
    return downscale(PHOTOGRAPHS[request.param], 4)


@pytest.mark.parametrize("quality", [20, 50, 75, 90, 95])
def test_the_quality_of_a_jpeg_is_read_from_its_tables(quality: int, small: np.ndarray) -> None:
    found = read_codec(encoded(small, "JPEG", quality=quality)).jpeg_quality
    assert found is not None
    assert abs(found - quality) <= 1
    assert choose_model(small, Codec(jpeg_quality=found), 4) == (PHOTO, f"JPEG of quality {found}")


def test_lossy_webp_is_told_from_lossless(small: np.ndarray) -> None:
    lossy, lossless = (encoded(small, "WEBP", lossless=lossless) for lossless in (False, True))
    assert read_codec(lossy).is_lossy_webp
    assert read_codec(lossless) == NO_CODEC
    assert np.asarray(lossless).shape == small.shape, "the file can still be decoded"
    assert choose_model(small, read_codec(lossy), 4)[0] == PHOTO


@pytest.mark.parametrize("quality", [50, 75, 90, 95])
def test_a_png_that_was_a_jpeg_shows_its_grid_wherever_it_begins(quality: int, small: np.ndarray) -> None:
    saved = np.asarray(encoded(small, "JPEG", quality=quality))
    for pixels in (saved, saved[3:, 5:], saved.astype(np.uint16) * 257, (saved / 255).astype(np.float32)):
        assert choose_model(pixels, NO_CODEC, 4)[0] == PHOTO


@pytest.mark.parametrize("name", ["astronaut", "chelsea", "coffee"])
def test_clean_images_get_the_clean_network(name: str) -> None:
    small = downscale(PHOTOGRAPHS[name], 4)
    assert choose_model(small, NO_CODEC, 4)[0] == CLEAN
    assert choose_model(small[..., :1], NO_CODEC, 4)[0] == CLEAN
    assert choose_model(np.dstack([small, small[..., :1]]), NO_CODEC, 4)[0] == CLEAN


@pytest.mark.parametrize("condition", ["area", "cubic, no antialias", "linear, no antialias", "noise 5", "noise 10"])
@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_noise_aliasing_and_averaging_show_in_the_spectrum(name: str, condition: str) -> None:
    degraded = degrade_by_name(PHOTOGRAPHS[name], 4, condition)
    for pixels in (degraded, degraded.astype(np.uint16) * 257, (degraded / 255).astype(np.float32)):
        assert choose_model(pixels, NO_CODEC, 4)[0] == PHOTO


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 300, 2), (15, 15, 3), (32, 9, 4), (40, 33, 3)])
def test_images_of_any_size_get_an_answer(shape: tuple[int, ...]) -> None:
    noise = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    assert choose_model(noise, NO_CODEC, 4)[0] == (PHOTO if min(shape[:2]) >= 16 else CLEAN)


def test_flat_images_show_no_grid() -> None:
    white = np.full((64, 64, 3), 255, np.uint8)
    luma = sample_luma(white)
    assert luma is not None
    assert grid_strength(luma) == 0
    assert choose_model(white, NO_CODEC, 4)[0] == CLEAN


def test_the_scale_is_the_smallest_that_suffices() -> None:
    assert [choose_scale(factor) for factor in (0.5, 2, 2.1, 3, 3.5, 4, 7)] == [2, 2, 3, 3, 4, 4, 4]
    assert choose_model(np.zeros((8, 8, 3), np.uint8), Codec(jpeg_quality=50), 3)[0] == "srpn-lite-x3-int8"


def test_auto_equals_the_network_that_it_names(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="sr_infer.upscaler")
    clean = downscale(data.chelsea(), 4)
    Image.fromarray(clean).save(tmp_path / "a.jpg", quality=75)
    Image.fromarray(clean).save(tmp_path / "a.png")
    auto = Upscaler("auto")
    for name, model in (("a.jpg", PHOTO), ("a.png", CLEAN)):
        caplog.clear()
        assert np.array_equal(auto(tmp_path / name), sr_infer.upscale(tmp_path / name, model))
        assert caplog.messages[0].startswith(f"{model}: ")
    assert np.array_equal(auto(clean, scale=3), sr_infer.upscale(clean, "srpn-lite-x3-int8"))
    auto.upscale_file(tmp_path / "a.jpg", tmp_path / "auto.png")
    Upscaler(PHOTO).upscale_file(tmp_path / "a.jpg", tmp_path / "photo.png")
    assert (tmp_path / "auto.png").read_bytes() == (tmp_path / "photo.png").read_bytes()
