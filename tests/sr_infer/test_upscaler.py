"""Any picture through a model: the type that goes in comes out, tiles equal the whole."""

import io
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from PIL import Image

import sr_infer
from sr_infer import MemoryBudgetError, ModelNotFoundError, OptionError, Upscaler
from sr_infer.model_zoo import MODELS_FOLDER


def test_importing_is_light() -> None:
    heavy = "{'torch', 'onnx', 'tifffile', 'imagecodecs', 'onnxruntime'}"
    code = f"import sys, sr_infer; print(*({heavy} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_all_public_names_exist() -> None:
    assert all(hasattr(sr_infer, name) for name in sr_infer.__all__)


def test_array_bytes_pillow_and_path_agree(network: Path, astronaut: np.ndarray, tmp_path: Path) -> None:
    array = sr_infer.upscale(astronaut, network)
    assert array.shape == (256, 320, 3)
    assert array.dtype == np.uint8

    pillow = sr_infer.upscale(Image.fromarray(astronaut), network)
    assert isinstance(pillow, Image.Image)
    np.testing.assert_array_equal(np.asarray(pillow), array)

    path = tmp_path / "in.png"
    Image.fromarray(astronaut).save(path)
    from_path = sr_infer.upscale(path, network)
    assert isinstance(from_path, Image.Image)
    np.testing.assert_array_equal(np.asarray(from_path), array)

    encoded = sr_infer.upscale(path.read_bytes(), network)
    assert isinstance(encoded, bytes)
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(encoded))), array)


def test_the_picture_still_shows_what_it_showed(network: Path, astronaut: np.ndarray) -> None:
    large = sr_infer.upscale(astronaut, network)
    bicubic = sr_infer.resize.imresize(astronaut, large.shape[:2])
    assert np.corrcoef(large.ravel(), bicubic.ravel())[0, 1] > 0.5


@pytest.mark.parametrize("scale", [1, 2, 3, 4])
@pytest.mark.parametrize("size_hw", [(1, 1), (7, 3), (50, 61), (128, 160)])
@pytest.mark.parametrize("tile", [16, 37])
def test_exact_tiles_equal_the_whole(
    make_network: Callable[..., Path], astronaut: np.ndarray, scale: int, size_hw: tuple[int, int], tile: int
) -> None:
    network = make_network(scale=scale)
    picture = astronaut[: size_hw[0], : size_hw[1]]
    whole = sr_infer.upscale(picture, network, tile=10_000)
    tiled = sr_infer.upscale(picture, network, tile=tile, halo="exact")
    np.testing.assert_array_equal(tiled, whole)


def test_too_small_a_halo_shows(network: Path, astronaut: np.ndarray) -> None:
    whole = sr_infer.upscale(astronaut, network, tile=10_000)
    assert np.any(sr_infer.upscale(astronaut, network, tile=16, halo=0) != whole)


def test_shared_averages_make_attention_networks_seamless(
    make_network: Callable[..., Path], astronaut: np.ndarray
) -> None:
    own = make_network("own.onnx", attention=True)
    shared = make_network("shared.onnx", attention=True, shares_averages=True)
    whole = sr_infer.upscale(astronaut, own).astype(int)
    np.testing.assert_array_equal(sr_infer.upscale(astronaut, shared), whole)
    by_32, by_48 = (sr_infer.upscale(astronaut, shared, tile=tile, halo="exact") for tile in (32, 48))
    np.testing.assert_array_equal(by_32, by_48)
    assert np.abs(by_32 - whole).max() <= 1
    own_32, own_48 = (sr_infer.upscale(astronaut, own, tile=tile, halo="exact") for tile in (32, 48))
    assert np.any(own_32 != own_48)


def test_a_luma_network_takes_colour_and_grey(make_network: Callable[..., Path], astronaut: np.ndarray) -> None:
    luma = make_network(channels=1)
    assert sr_infer.upscale(astronaut, luma).shape == (256, 320, 3)
    assert sr_infer.upscale(astronaut[..., 0], luma).shape == (256, 320)


def test_options_are_checked_at_once(network: Path) -> None:
    for options in ({"tile": 0}, {"tile": -5}, {"halo": "big"}, {"halo": -1}, {"threads": 0}, {"max_memory": "lots"}):
        with pytest.raises(OptionError):
            Upscaler(network, **options)


def test_budget_that_cannot_be_met_names_one_that_can(network: Path, astronaut: np.ndarray) -> None:
    with pytest.raises(MemoryBudgetError) as refusal:
        sr_infer.upscale(astronaut, network, max_memory="1KB")
    smallest = str(refusal.value).rpartition("at least ")[2].split()[0]
    sr_infer.upscale(astronaut, network, max_memory=smallest)


def test_unknown_and_missing_models(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError, match="no shipped model"):
        Upscaler("srpn-light-x4")
    with pytest.raises(ModelNotFoundError, match=r"expected an \.onnx"):
        Upscaler(tmp_path / "none.onnx")


def test_an_upscaler_may_be_sent_elsewhere(
    network: Path, astronaut: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shipped model is looked for there; a file keeps its place, whatever the current folder."""
    assert str(MODELS_FOLDER).encode() not in pickle.dumps(Upscaler())
    monkeypatch.chdir(network.parent)
    upscaler = Upscaler(f"./{network.name}")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert pickle.loads(pickle.dumps(upscaler))(astronaut).shape == upscaler(astronaut).shape


def test_progress_counts_tiles_and_can_cancel(network: Path, astronaut: np.ndarray) -> None:
    seen: list[tuple[int, int]] = []
    sr_infer.upscale(astronaut, network, tile=64, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(i + 1, 6) for i in range(6)]
    with pytest.raises(sr_infer.CancelledError, match="1 of 6"):
        sr_infer.upscale(astronaut, network, tile=64, progress=lambda done, total: False)


def test_other_output_sizes(network: Path, astronaut: np.ndarray) -> None:
    assert sr_infer.upscale(astronaut, network, scale=1.5).shape == (192, 240, 3)
    assert sr_infer.upscale(astronaut, network, width=200).shape == (160, 200, 3)
    assert sr_infer.upscale(astronaut, network, width=99, height=77).shape == (77, 99, 3)
    with pytest.raises(OptionError, match="either"):
        sr_infer.upscale(astronaut, network, scale=2, width=9)


def test_the_ensemble_is_the_mean_over_flips_and_rotations(network: Path, astronaut: np.ndarray) -> None:
    picture = astronaut.astype(np.float32)[:30, :50] / 255
    turned = []
    for turns in range(4):
        for flipped in (picture, picture[:, ::-1]):
            result = sr_infer.upscale(np.ascontiguousarray(np.rot90(flipped, turns)), network)
            upright = np.rot90(result, -turns)
            turned.append(upright if flipped is picture else upright[:, ::-1])
    expected = np.mean(turned, axis=0)
    together = sr_infer.upscale(picture, network, ensemble=True)
    inside = (expected > 0.01) & (expected < 0.99)
    assert np.abs(together - expected)[inside].max() < 0.01
    tiled = sr_infer.upscale(picture, network, ensemble=True, tile=16, halo="exact")
    assert np.abs(tiled - together).max() < 1e-5


def test_float_tiles_equal_the_whole(network: Path, astronaut: np.ndarray) -> None:
    picture = astronaut.astype(np.float32) / 255
    whole = sr_infer.upscale(picture, network, tile=10_000)
    assert np.abs(sr_infer.upscale(picture, network, tile=20) - whole).max() <= 1e-5


@pytest.mark.parametrize("tile", [16, 100, 512])
@pytest.mark.parametrize("size_hw", [(1, 700), (33, 17), (500, 700)])
def test_large_and_odd_pictures_tile_exactly(network: Path, size_hw: tuple[int, int], tile: int) -> None:
    photo = np.tile(skimage.data.chelsea(), (2, 2, 1))[: size_hw[0], : size_hw[1]]
    whole = sr_infer.upscale(photo, network, tile=10_000)
    np.testing.assert_array_equal(sr_infer.upscale(photo, network, tile=tile, halo="exact"), whole)
