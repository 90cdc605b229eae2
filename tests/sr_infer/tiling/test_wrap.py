"""Tileable textures stay tileable. The middle of an enlarged 3x3 mosaic is the reference."""

import io
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import numpy as np
import pytest
from PIL import Image

import sr_infer
from sr_infer import Upscaler
from sr_infer.errors import OptionError


@pytest.fixture
def texture(astronaut: np.ndarray) -> np.ndarray:
    """(40, 56, 3) uint8; its opposite sides differ, so that the other side shows."""
    return astronaut[20:60, 30:86].copy()


def with_alpha(texture: np.ndarray) -> np.ndarray:
    """Fully transparent at the top and the right, so that colour is bled across the border."""
    alpha = np.full((*texture.shape[:2], 1), 255, np.uint8)
    alpha[:3] = alpha[:, -4:] = 0
    return np.concatenate([texture, alpha], axis=2)


def middle_of_mosaic(network: Path, texture: np.ndarray, copies_hw: tuple[int, int], **options: Any) -> np.ndarray:
    large = sr_infer.upscale(np.tile(texture, (*copies_hw, 1)), network, halo="exact", **options)
    height, width = 2 * texture.shape[0], 2 * texture.shape[1]
    top, left = height * (copies_hw[0] // 2), width * (copies_hw[1] // 2)
    return large[top : top + height, left : left + width]


KINDS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "rgb": lambda texture: texture,
    "alpha": with_alpha,
    "16 bit": lambda texture: texture.astype(np.uint16) * 257,
    "grey": lambda texture: texture[..., :1],
    "smaller than the margin": lambda texture: texture[:3, :5],
}


@pytest.mark.parametrize("tile", [None, 16, 23])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("channels", [1, 3], ids=["luma network", "RGB network"])
def test_a_texture_is_enlarged_as_within_its_mosaic(
    make_network: Callable[..., Path], texture: np.ndarray, kind: str, channels: int, tile: int | None
) -> None:
    network = make_network(channels=channels)
    small = KINDS[kind](texture)
    expected = middle_of_mosaic(network, small, (9, 7) if len(small) == 3 else (3, 3))
    result = sr_infer.upscale(small, network, edges="wrap", halo="exact", tile=tile)
    np.testing.assert_array_equal(result, expected)


def test_an_enlarged_mosaic_is_the_mosaic_of_the_enlarged_texture(network: Path, texture: np.ndarray) -> None:
    upscaler = Upscaler(network, edges="wrap", halo="exact", tile=32)
    mosaic = upscaler(np.tile(texture, (2, 2, 1)))
    np.testing.assert_array_equal(mosaic, np.tile(upscaler(texture), (2, 2, 1)))
    bordered = Upscaler(network, halo="exact", tile=32)
    assert (bordered(np.tile(texture, (2, 2, 1))) != np.tile(bordered(texture), (2, 2, 1))).any()


def test_a_panorama_wraps_from_left_to_right_only(network: Path, texture: np.ndarray) -> None:
    result = sr_infer.upscale(texture, network, edges="wrap-x", halo="exact", tile=16)
    np.testing.assert_array_equal(result, middle_of_mosaic(network, texture, (1, 3)))


def test_large_tiff_files_wrap_in_bands(
    network: Path, texture: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("tifffile")
    Image.fromarray(texture).save(tmp_path / "texture.tif")
    monkeypatch.setattr("sr_infer.upscaler._BANDED_PIXELS", 1)
    Upscaler(network, edges="wrap", halo="exact", tile=16).upscale_file(tmp_path / "texture.tif", tmp_path / "b.tif")
    with Image.open(tmp_path / "b.tif") as result:
        np.testing.assert_array_equal(np.asarray(result), middle_of_mosaic(network, texture, (3, 3)))


def test_the_command_wraps(
    command: Callable[..., CompletedProcess[bytes]], network: Path, texture: np.ndarray, tmp_path: Path
) -> None:
    Image.fromarray(texture).save(tmp_path / "texture.png")
    run = command("upscale", "texture.png", "-o", "-", "--model", network, "--edges", "wrap", "--halo", "exact")
    assert run.returncode == 0, run.stderr
    with Image.open(io.BytesIO(run.stdout)) as result:
        np.testing.assert_array_equal(np.asarray(result), middle_of_mosaic(network, texture, (3, 3)))


def test_other_sizes_and_unknown_edges_are_refused(network: Path, texture: np.ndarray) -> None:
    with pytest.raises(OptionError, match="expected the model's own scale, 2"):
        sr_infer.upscale(texture, network, edges="wrap", scale=1.5)
    with pytest.raises(OptionError, match="expected edges"):
        sr_infer.upscale(texture, network, edges="mirror")  # type: ignore[arg-type]
