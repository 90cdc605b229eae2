"""PSNR and SSIM, held against scikit-image's on the same luma."""

import numpy as np
import pytest
from skimage import data
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from sr_infer.errors import ImageError, OptionError
from sr_infer.metrics import luma, psnr_y, ssim_y
from sr_infer.resize import imresize


@pytest.fixture(scope="module")
def pair() -> tuple[np.ndarray, np.ndarray]:
    photograph = data.chelsea()
    small = imresize(photograph, (75, 113))
    return photograph, imresize(small, photograph.shape[:2])


def test_luma_spans_matlabs_range() -> None:
    ends = np.array([[[0, 0, 0], [255, 255, 255]]], np.uint8)
    np.testing.assert_allclose(luma(ends), [[16, 235]])


def test_psnr_is_scikit_images(pair: tuple[np.ndarray, np.ndarray]) -> None:
    a, b = (luma(picture)[4:-4, 4:-4] for picture in pair)
    assert psnr_y(*pair, border=4) == pytest.approx(peak_signal_noise_ratio(a, b, data_range=255))


def test_ssim_is_scikit_images(pair: tuple[np.ndarray, np.ndarray]) -> None:
    a, b = (luma(picture)[4:-4, 4:-4] for picture in pair)
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 255}
    _, similarity = structural_similarity(a, b, full=True, **options)
    assert ssim_y(*pair, border=4) == pytest.approx(similarity[5:-5, 5:-5].mean(), abs=1e-6)


def test_equal_pictures() -> None:
    cat = data.chelsea()
    assert psnr_y(cat, cat, border=0) == float("inf")
    assert ssim_y(cat, cat, border=0) == pytest.approx(1)


def test_refusals(pair: tuple[np.ndarray, np.ndarray]) -> None:
    with pytest.raises(ImageError, match="one shape"):
        psnr_y(pair[0], pair[1][1:], border=4)
    with pytest.raises(ImageError, match="of float64"):
        psnr_y(pair[0] / 255.0, pair[1] / 255.0, border=4)
    with pytest.raises(OptionError, match="border of 145 px leaves less than 11x11"):
        ssim_y(*pair, border=145)
