"""Which kind of network a picture gets."""

import io
import time

import numpy as np
import pytest
from PIL import Image
from skimage import data

from sr_infer.choose_model import choose, find_traces, read_codec
from sr_infer.resize import downscale

PHOTOGRAPHS = {name: getattr(data, name)() for name in ("astronaut", "chelsea", "coffee", "rocket")}


def encoded(pixels: np.ndarray, kind: str, **settings: object) -> Image.Image:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, **settings)  # type: ignore[arg-type]
    file.seek(0)
    return Image.open(file)


@pytest.fixture(params=PHOTOGRAPHS)
def small(request: pytest.FixtureRequest) -> np.ndarray:
    """A clean LR picture, a quarter of a photograph's size."""
    return downscale(PHOTOGRAPHS[request.param], 4)


@pytest.mark.parametrize("quality", [20, 50, 75, 90, 95])
def test_the_quality_of_a_jpeg_is_read_from_its_tables(quality: int, small: np.ndarray) -> None:
    found, _ = read_codec(encoded(small, "JPEG", quality=quality))
    assert found is not None
    assert abs(found - quality) <= 1
    assert choose(small, jpeg_quality=found).photo
    assert choose(small, jpeg_quality=found).reason == f"JPEG of quality {found}"


def test_lossy_webp_is_told_from_lossless(small: np.ndarray) -> None:
    lossy, lossless = (encoded(small, "WEBP", lossless=lossless) for lossless in (False, True))
    assert read_codec(lossy) == (None, True)
    assert read_codec(lossless) == (None, False)
    assert np.asarray(lossless).shape == small.shape, "the file can still be decoded"
    assert choose(small, lossy_webp=True).photo


def test_other_files_have_no_codec_to_speak_of(small: np.ndarray) -> None:
    assert read_codec(encoded(small, "PNG")) == (None, False)
    assert read_codec(Image.fromarray(small)) == (None, False)


@pytest.mark.parametrize("quality", [50, 75, 90, 95])
def test_a_png_that_was_a_jpeg_shows_its_grid(quality: int, small: np.ndarray) -> None:
    assert find_traces(small)[0] < 0.6
    saved = np.asarray(encoded(small, "JPEG", quality=quality))
    assert find_traces(saved)[0] > 0.9
    assert find_traces(saved[3:, 5:])[0] > 0.9, "wherever it begins"
    assert choose(saved).photo
    assert choose(saved).reason.endswith("on a JPEG grid")


def test_noise_and_aliasing_get_the_photo_network(small: np.ndarray) -> None:
    noisy = (small + np.random.default_rng(0).normal(0, 10, small.shape)).clip(0, 255).astype(np.uint8)
    assert choose(noisy).photo
    assert choose(PHOTOGRAPHS["astronaut"][::4, ::4]).photo


@pytest.mark.parametrize("name", ["astronaut", "chelsea"])
def test_soft_clean_pictures_get_the_clean_network(name: str) -> None:
    """At half their size, where nothing is left of the JPEG files that some of them come from."""
    assert not choose(downscale(PHOTOGRAPHS[name], 2)).photo


@pytest.mark.parametrize("shape", [(1, 1), (2, 300), (15, 15, 3), (32, 9, 3), (40, 33)])
def test_pictures_of_any_size_get_an_answer(shape: tuple[int, ...]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    assert "degraded" in choose(pixels).reason


def test_flat_pictures_get_an_answer() -> None:
    assert np.isfinite(find_traces(np.full((64, 64, 3), 255, np.uint8))).all()


def test_large_pictures_cost_no_more_than_small_ones() -> None:
    large = np.random.default_rng(0).integers(0, 256, (3000, 4000, 3), np.uint8)
    find_traces(large)
    costs_s = []
    for _ in range(5):
        before = time.process_time()
        find_traces(large)
        costs_s.append(time.process_time() - before)
    assert min(costs_s) < 0.01
