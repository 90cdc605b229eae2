"""Each part of the chain against the tool or formula that it stands for."""

import io
from collections.abc import Callable
from typing import get_args

import numpy as np
import pytest
from PIL import Image

from sr_infer.errors import OptionError
from sr_infer.resize import downscale
from training.data import degradation_parts as parts
from training.data.degradation_parts import Kernel, Pixels


@pytest.fixture(scope="module")
def picture(photographs: list[np.ndarray]) -> Pixels:
    """(96, 120, 3) uint8."""
    return np.ascontiguousarray(photographs[1][40:136, 60:180])


def rng() -> np.random.Generator:
    return np.random.default_rng(5)


PARTS: dict[str, Callable[[Pixels], Pixels]] = {
    "blur": lambda p: parts.blur(p, (1.2, 0.4), 30),
    "camera noise": lambda p: parts.add_camera_noise(p, 1e-3, 1e-5, rng()),
    "gaussian noise": lambda p: parts.add_gaussian_noise(p, 5, rng()),
    "smooth chroma": lambda p: parts.smooth_chroma(p, 1.5),
    "halve chroma": parts.halve_chroma,
    "sharpen": lambda p: parts.sharpen(p, 1, 80),
    "jpeg": lambda p: parts.jpeg(p, 75),
    "webp": lambda p: parts.webp(p, 75),
}
NEUTRAL: dict[str, Callable[[Pixels], Pixels]] = {
    "blur": lambda p: parts.blur(p, (0, 0)),
    "camera noise": lambda p: parts.add_camera_noise(p, 0, 0, rng()),
    "gaussian noise": lambda p: parts.add_gaussian_noise(p, 0, rng()),
    "sharpen": lambda p: parts.sharpen(p, 1, 0),
    **{f"shrink by {k}": lambda p, k=k: parts.shrink(p, p.shape[:2], k) for k in get_args(Kernel)},
}


@pytest.mark.parametrize("name", PARTS)
def test_a_part_keeps_the_size_and_gives_the_same_again(name: str, picture: Pixels) -> None:
    before = picture.copy()
    first, second = PARTS[name](picture), PARTS[name](picture)
    assert first.shape == picture.shape
    assert first.dtype == np.uint8
    assert np.array_equal(first, second)
    assert 0.05 < np.abs(first.astype(int) - picture).mean() < 12
    assert np.array_equal(picture, before), "what was given is left alone"


@pytest.mark.parametrize("name", NEUTRAL)
def test_neutral_settings_change_nothing(name: str, picture: Pixels) -> None:
    assert np.array_equal(NEUTRAL[name](picture), picture)


@pytest.mark.parametrize("kernel", get_args(Kernel))
@pytest.mark.parametrize("size_hw", [(24, 30), (41, 77)])
def test_shrinking_keeps_colours_and_place(kernel: Kernel, size_hw: tuple[int, int], picture: Pixels) -> None:
    assert (parts.shrink(np.full_like(picture, 200), size_hw, kernel) == 200).all()
    lr = parts.shrink(picture, size_hw, kernel)
    assert lr.shape == (*size_hw, 3)
    mirrored = parts.shrink(np.ascontiguousarray(picture[::-1, ::-1]), size_hw, kernel)[::-1, ::-1]
    assert np.abs(mirrored.astype(int) - lr).max() <= 1, "pixel centres are aligned"


def test_box_is_the_mean_of_each_block_and_matlab_that_of_the_benchmarks(picture: Pixels) -> None:
    mean = picture.reshape(24, 4, 30, 4, 3).mean((1, 3))
    assert np.abs(parts.shrink(picture, (24, 30), "box") - mean).max() <= 1  # Pillow rounds after each axis
    assert np.array_equal(parts.shrink(picture, (24, 30), "matlab-bicubic"), downscale(picture, 4))


@pytest.mark.parametrize("size_hw", [(24, 30), (32, 40), (41, 77)])
def test_kernels_without_antialias_are_those_of_opencv(size_hw: tuple[int, int], picture: Pixels) -> None:
    cv2 = pytest.importorskip("cv2")
    for kernel, flag in (("cubic-without-antialias", cv2.INTER_CUBIC), ("linear-without-antialias", cv2.INTER_LINEAR)):
        theirs = cv2.resize(picture, size_hw[::-1], interpolation=flag).astype(int)
        assert np.abs(parts.shrink(picture, size_hw, kernel) - theirs).max() <= 1


def test_an_unknown_kernel_is_refused(picture: Pixels) -> None:
    with pytest.raises(OptionError, match="a kernel is one of matlab-bicubic, box"):
        parts.shrink(picture, (24, 30), "sinc")  # type: ignore[arg-type]


def test_blur_is_a_gaussian_of_that_direction() -> None:
    dot = np.zeros((41, 41, 3), np.uint8)
    dot[20, 20] = 255
    y, x = np.mgrid[-20:21, -20:21]
    spread = np.exp(-0.5 * (x**2 + y**2) / 1.5**2)
    assert np.abs(parts.blur(dot, (1.5, 1.5))[:, :, 0] - 255 * spread / spread.sum()).max() <= 0.6
    lying, standing = parts.blur(dot, (2, 0.5), 0)[:, :, 0], parts.blur(dot, (2, 0.5), 90)[:, :, 0]
    assert lying[20, 23] > 0 == lying[23, 20]
    assert np.array_equal(lying, standing.T)
    assert (parts.blur(np.full((41, 41, 3), 77, np.uint8), (2, 1), 30) == 77).all()


def test_noise_has_the_variance_that_was_asked_for() -> None:
    grey = np.full((256, 256, 3), 128, np.uint8)
    assert parts.add_gaussian_noise(grey, 5, rng()).std() == pytest.approx(5, rel=0.02)
    light = ((128 / 255 + 0.055) / 1.055) ** 2.4
    slope = 1.055 / 2.4 * light ** (1 / 2.4 - 1)  # of the sRGB curve: light to encoded value
    expected = 255 * slope * np.sqrt(1e-3 * light + 1e-5)
    assert parts.add_camera_noise(grey, 1e-3, 1e-5, rng()).std() == pytest.approx(expected, rel=0.03)
    bright = np.full_like(grey, 200)
    shot_only = [parts.add_camera_noise(p, 1e-3, 0, rng()).astype(float).std() for p in (grey // 8, grey, bright)]
    assert shot_only[0] != pytest.approx(shot_only[2], rel=0.02), "shot noise depends on the light"


def test_smoothed_and_halved_chroma_leave_luma_alone(picture: Pixels) -> None:
    def luma(pixels: Pixels) -> np.ndarray:
        return np.asarray(Image.fromarray(pixels).convert("L"), int)

    for changed in (parts.smooth_chroma(picture, 2), parts.halve_chroma(picture)):
        assert np.abs(luma(changed) - luma(picture)).mean() < 1
        assert np.abs(changed.astype(int) - picture).mean() > 0.5


def test_sharpening_makes_halos(picture: Pixels) -> None:
    edge = np.full((16, 16, 3), 100, np.uint8)
    edge[:, 8:] = 150
    halo = parts.sharpen(edge, 1, 100)[8, :, 0]
    assert halo.min() < 95
    assert halo.max() > 155


@pytest.mark.parametrize("subsampling", ["4:2:0", "4:2:2", "4:4:4"])
@pytest.mark.parametrize("quality", [40, 75, 95])
def test_jpeg_and_webp_are_pillows_to_the_last_bit(subsampling: str, quality: int, picture: Pixels) -> None:
    jpeg, webp = io.BytesIO(), io.BytesIO()
    Image.fromarray(picture).save(jpeg, "JPEG", quality=quality, subsampling=subsampling)
    Image.fromarray(picture).save(webp, "WEBP", quality=quality)
    assert np.array_equal(parts.jpeg(picture, quality, subsampling), np.asarray(Image.open(jpeg)))  # type: ignore[arg-type]
    assert np.array_equal(parts.webp(picture, quality), np.asarray(Image.open(webp)))
