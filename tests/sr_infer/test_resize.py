"""MATLAB's bicubic. The digests are of pictures made by the code that reproduces the 57 published LR files of Set5 and
Set14 (x2, x3, x4) bit for bit; `python -m training.evaluate --check-lr` counts them again where the files are at hand.
"""

import hashlib

import numpy as np
import pytest
from skimage import data

from sr_infer.errors import OptionError
from sr_infer.resize import downscale, imresize, imresize_bands


@pytest.mark.parametrize(
    ("scale", "digest"), [(2, "86e24d8e2e582de8"), (3, "779d988f4eb5bb0e"), (4, "53ca505a86fd24fa")]
)
def test_lr_pictures_are_matlabs_bit_for_bit(scale: int, digest: str) -> None:
    assert hashlib.sha256(downscale(data.astronaut(), scale).tobytes()).hexdigest().startswith(digest)


def test_cubic_reproduces_straight_lines() -> None:
    """Away from the mirrored borders, Keys' kernel with a = -0.5 is exact up to second degree."""
    ramp = np.linspace(0, 1, 20)[None].repeat(5, axis=0)
    enlarged = imresize(ramp, (5, 80))
    expected = ((np.arange(80) + 0.5) / 4 - 0.5) / 19
    np.testing.assert_allclose(enlarged[:, 8:-8], expected[None, 8:-8].repeat(5, axis=0), atol=1e-12)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_keeps_dtype_channels_and_constants(dtype: type) -> None:
    picture = np.full((7, 5, 2), 200, dtype)
    resized = imresize(picture, (3, 11))
    assert resized.dtype == dtype
    assert resized.shape == (3, 11, 2)
    np.testing.assert_allclose(resized, 200, rtol=1e-6)


def test_one_pixel_and_integer_overshoot() -> None:
    assert imresize(np.array([[7]], np.uint8), (4, 4)).tolist() == [[7] * 4] * 4
    edge = np.repeat(np.array([0, 255], np.uint8), 8)[None].repeat(4, axis=0)
    assert set(np.unique(imresize(edge, (4, 16)))) == {0, 255}
    assert imresize(edge, (4, 64)).min() == 0


def test_refuses_what_is_no_picture() -> None:
    with pytest.raises(OptionError, match="at least 1x1"):
        imresize(np.zeros((0, 4)), (2, 2))
    with pytest.raises(OptionError, match=r"expected \(H, W\)"):
        imresize(np.zeros((2, 2, 2, 2)), (2, 2))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("size_hw", [(1, 1), (77, 10), (90, 200), (100, 120), (250, 119), (433, 500)])
@pytest.mark.parametrize("cuts", [[], [1], [40, 41, 99]])
def test_bands_give_the_same_picture(dtype: type, size_hw: tuple[int, int], cuts: list[int]) -> None:
    picture = data.chelsea()[:100, :120].astype(dtype)
    bands = list(imresize_bands(iter(np.split(picture, cuts)), (100, 120), size_hw))
    np.testing.assert_array_equal(np.concatenate(bands), imresize(picture, size_hw))
