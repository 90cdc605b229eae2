"""LR pictures made in other ways than bicubic."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sr_infer.errors import OptionError
from sr_infer.resize import downscale
from training.data.degradations import Degradation, degrade
from training.data.patch_bank import PatchBank
from training.evaluate import evaluate, load_upscaler, main


def test_nearest_keeps_pixels_of_the_hr_picture(photographs: list[np.ndarray]) -> None:
    hr = photographs[1][:101, :90]
    for scale in (2, 3, 4):
        lr = degrade(hr, scale, "nearest")
        assert lr.shape == (101 // scale, 90 // scale, 3)
        assert np.array_equal(lr[5, 7], hr[5 * scale + scale // 2, 7 * scale + scale // 2])


@pytest.mark.parametrize("shape", [(40, 60), (40, 60, 3)])
def test_bd_is_a_gaussian_of_seven_taps_sampled_at_the_same_pixels(shape: tuple[int, ...]) -> None:
    hr = np.zeros(shape, np.uint8)
    hr[22, 34] = 255
    lr = degrade(hr, 4, "bd")
    rows, columns = np.nonzero(lr.reshape(*lr.shape[:2], -1)[:, :, 0])
    assert set(zip(rows.tolist(), columns.tolist(), strict=True)) == {(5, 8)}
    taps = np.exp(-0.5 * (np.arange(-3, 4) / 1.6) ** 2)
    assert lr[5, 8].max() == round(255 / taps.sum() ** 2)
    assert (degrade(np.full(shape, 200, np.uint8), 4, "bd") == 200).all()


def test_jpeg_is_bicubic_with_losses(photographs: list[np.ndarray]) -> None:
    hr = photographs[0]
    difference = np.abs(degrade(hr, 4, "jpeg").astype(int) - downscale(hr, 4))
    assert 1 < difference.mean() < 15


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(OptionError, match="a degradation is one of bicubic, nearest, bd, jpeg"):
        degrade(np.zeros((8, 8, 3), np.uint8), 2, "rain")


@pytest.mark.parametrize("kind", ["nearest", "bd", "jpeg"])
def test_only_the_lowest_resolution_of_a_bank_is_degraded(kind: Degradation, photographs: list[np.ndarray]) -> None:
    banks = (
        PatchBank(photographs, divisors=(4, 2, 1), lr_patch_px=24, device=torch.device("cpu"), degradation=kind)
        for kind in (kind, "bicubic")
    )
    degraded, plain = (bank.draw(4, torch.Generator().manual_seed(3)) for bank in banks)
    assert not torch.equal(degraded[0], plain[0])
    assert all(torch.equal(one, other) for one, other in zip(degraded[1:], plain[1:], strict=True))


def test_evaluating_on_degraded_pictures(
    photographs: list[np.ndarray], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.fromarray(photographs[1]).save(tmp_path / "cat.png")
    bicubic = load_upscaler("bicubic", 4)
    plain, nearest = (evaluate(bicubic, tmp_path, 4, degradation=kind)[0].psnr_y for kind in ("bicubic", "nearest"))
    assert nearest < plain - 1
    assert main([str(tmp_path), "--model", "bicubic", "--scale", "4", "--degradation", "nearest"]) == 0
    assert f"{nearest:.2f} dB" in capsys.readouterr().out
