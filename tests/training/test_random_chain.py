"""Degradations drawn anew for every patch, and the recipe's table that says which."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import training
from sr_infer.errors import OptionError
from sr_infer.resize import downscale
from training.data.conditions import CONDITIONS, VALIDATED, degrade_by_name
from training.data.degradation_parts import jpeg, shrink
from training.data.degraded_bank import DegradedBank
from training.data.random_chain import RandomChain, degrade_randomly, draw_flat
from training.recipe import parse_recipe, read_recipe, read_tables
from training.train import main

CPU = torch.device("cpu")
PHOTO = Path(training.__file__).parent / "recipes" / "srpn-lite-x4-photo.toml"
NOTHING = RandomChain(clean=0)
"""MATLAB's bicubic, without a draw that matters."""
TABLE = """
[degradations]
clean = 0.2
kernels = [["matlab-bicubic", 0.6], ["box", 0.4]]
codecs = [["none", 0.4], ["jpeg", 0.6]]
noisy = 0.3
"""


@pytest.fixture(scope="module")
def hr(photographs: list[np.ndarray]) -> np.ndarray:
    """(128, 128, 3) uint8."""
    return np.ascontiguousarray(photographs[0][:128, 150:278])


def chain(**settings: Any) -> RandomChain:
    return RandomChain(**{"clean": 0, **settings})


def draw(hr: np.ndarray, drawn: RandomChain, seed: int) -> np.ndarray:
    return degrade_randomly(hr, 4, drawn, np.random.default_rng(seed))


def test_the_shipped_chain_gives_the_same_for_a_seed_and_another_for_the_next(hr: np.ndarray) -> None:
    drawn = read_recipe(PHOTO).degradations
    assert drawn
    results = [draw(hr, drawn, seed) for seed in range(24)]
    for seed, lr in enumerate(results):
        assert lr.shape == (32, 32, 3)
        assert np.array_equal(lr, draw(hr, drawn, seed))
    clean = sum(np.array_equal(lr, downscale(hr, 4)) for lr in results)
    assert 1 <= clean <= 12
    assert len({lr.tobytes() for lr in results}) > 12


@pytest.mark.parametrize(
    "settings",
    [
        {"kernels": (("lanczos", 1),)},
        {"two_steps": 1},
        {"blurred": 1},
        {"noisy": 1},
        {"sharpened": 1},
        {"codecs": (("jpeg", 1),)},
        {"codecs": (("jpeg", 1),), "twice": 1},
        {"codecs": (("webp", 1),)},
        {"codecs": (("chroma", 1),)},
    ],
    ids=str,
)
def test_each_part_of_the_chain_happens(settings: dict[str, Any], hr: np.ndarray) -> None:
    changed = [not np.array_equal(draw(hr, chain(**settings), seed), downscale(hr, 4)) for seed in range(4)]
    assert all(changed)


def test_what_has_no_share_does_not_happen(hr: np.ndarray) -> None:
    assert np.array_equal(draw(hr, NOTHING, 1), downscale(hr, 4))
    assert np.array_equal(draw(hr, RandomChain(clean=1, noisy=1, codecs=(("jpeg", 1),)), 1), downscale(hr, 4))


def test_jpegs_have_the_drawn_quality_on_every_grid(hr: np.ndarray) -> None:
    drawn = chain(codecs=(("jpeg", 1),), quality=(80, 80))
    grids = {draw(hr, drawn, seed).tobytes() for seed in range(200)}
    assert jpeg(downscale(hr, 4), 80).tobytes() in grids, "the grid at the top left is one of them"
    assert 50 < len(grids) <= 64
    light = chain(codecs=(("jpeg", 1),), quality=(10, 10), light=1, light_quality=(98, 98))
    assert np.abs(draw(hr, light, 0).astype(int) - downscale(hr, 4)).mean() < 3


def test_the_order_is_the_recipes(hr: np.ndarray) -> None:
    codecs = (("jpeg", 1),)
    after = chain(codecs=codecs, quality=(20, 20))
    before = chain(codecs=codecs, quality=(20, 20), order=("compress", "blur", "shrink", "noise", "sharpen"))

    def error(drawn: RandomChain) -> float:
        return float(np.abs(draw(hr, drawn, 3).astype(int) - downscale(hr, 4)).mean())

    assert error(before) < 0.6 * error(after), "shrinking hides what happened before it"


def test_flat_patches_are_one_colour_or_a_ramp() -> None:
    flats = [draw_flat(64, np.random.default_rng(seed)).astype(int) for seed in range(20)]
    constant = [bool((flat == flat[0, 0]).all()) for flat in flats]
    assert 4 < sum(constant) < 16
    for flat in flats:
        assert np.abs(np.diff(np.diff(flat, axis=0), axis=0)).max() <= 2, "linear up to rounding"


def test_a_bank_gives_degraded_patches_of_the_same_place(photographs: list[np.ndarray]) -> None:
    def bank(drawn: RandomChain) -> DegradedBank:
        return DegradedBank(photographs, divisors=(4, 2, 1), lr_patch_px=24, chain=drawn, device=CPU)

    degraded = bank(chain(codecs=(("jpeg", 1),), quality=(50, 50)))
    lr, middle, hr = degraded.draw(6, torch.Generator().manual_seed(2))
    assert [tuple(level.shape) for level in (lr, middle, hr)] == [(6, 3, n, n) for n in (24, 48, 96)]
    for one, fine in zip(lr, hr, strict=True):
        difference = np.abs(downscale(fine.permute(1, 2, 0).numpy(), 4).astype(int) - one.permute(1, 2, 0).numpy())
        assert 0.1 < difference[2:-2, 2:-2].mean() < 12
    assert all(map(torch.equal, degraded.draw(6, torch.Generator().manual_seed(2)), (lr, middle, hr)))
    part = degraded.draw(6, torch.Generator().manual_seed(2), share=slice(2, 5))
    assert all(torch.equal(whole[2:5], some) for whole, some in zip((lr, middle, hr), part, strict=True))
    clean = bank(NOTHING).draw(6, torch.Generator().manual_seed(2))
    assert torch.equal(clean[2], hr)
    assert not torch.equal(clean[0], lr)
    flat = bank(RandomChain(flat=1, clean=1)).draw(8, torch.Generator().manual_seed(2))[2].int()
    assert flat.diff(n=2, dim=2).abs().max() <= 2, "linear up to rounding"


def test_degradations_keep_their_precision_where_training_casts_to_bf16(photographs: list[np.ndarray]) -> None:
    bank = DegradedBank(photographs, divisors=(2, 1), lr_patch_px=16, chain=chain(blurred=1), device=CPU)
    plain = bank.draw(2, torch.Generator().manual_seed(3))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        cast = bank.draw(2, torch.Generator().manual_seed(3))
    assert all(map(torch.equal, plain, cast))


def test_borders_of_a_patch_come_from_its_surroundings() -> None:
    """A blurred ramp stays a ramp up to the last pixel; with the mirrored borders of a blur it would flatten there."""
    ramp = np.repeat((2 * np.arange(96, dtype=np.uint8))[None, :, None], 96, axis=0).repeat(3, axis=2)
    blurred = chain(blurred=1, blur_sigma_px=(1.5, 1.5))
    bank = DegradedBank([ramp], divisors=(4, 1), lr_patch_px=8, chain=blurred, device=CPU)
    for lr in bank.draw(8, torch.Generator().manual_seed(2))[0].int():
        along = 1 if lr[0, 0, 0] == lr[0, 0, -1] else 2
        assert (lr.diff(dim=along).abs() - 8).abs().max() <= 1


def test_a_resumed_run_ends_where_an_unbroken_one_does(
    tiny_recipe: Path, pictures: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    text = tiny_recipe.read_text().replace("learning_rate = 1e-3", "learning_rate = 1e-3\nfinal_learning_rate = 1e-3")
    tiny_recipe.write_text(text + TABLE)
    common = [str(tiny_recipe), "--data", str(pictures), "--device", "cpu", "--out"]
    with caplog.at_level(logging.INFO):
        assert main([*common, str(tmp_path / "unbroken")]) == 0
    assert all(f"{condition} " in caplog.text for condition in VALIDATED)
    assert main([*common, str(tmp_path / "resumed"), "--max-steps", "3"]) == 0
    assert main([*common, str(tmp_path / "resumed"), "--resume"]) == 0
    logs = [(tmp_path / name / "log.csv").read_text().splitlines()[-1] for name in ("unbroken", "resumed")]
    unbroken, resumed = (line.rpartition(",")[0] for line in logs)  # without the seconds
    assert unbroken == resumed
    tiny_recipe.write_text(tiny_recipe.read_text().replace("noisy = 0.3", "noisy = 0.4"))
    assert main([*common, str(tmp_path / "resumed"), "--resume"]) == 2


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"clean": 1.5}, "clean is a share"),
        ({"kernels": [["sinc", 1.0]]}, "kernels: expected matlab-bicubic"),
        ({"codecs": []}, "codecs: expected shares"),
        ({"codecs": [["jpeg", 0.0]]}, "codecs: expected shares"),
        ({"subsampling": [["4:1:1", 1.0]]}, "subsampling: expected 4:2:0"),
        ({"quality": [90, 40]}, "quality must be two rising values"),
        ({"quality": [40, 101]}, "quality must be two rising values"),
        ({"shot": [0, 1e-3]}, "shot must be two rising values"),
        ({"order": ["shrink", "blur"]}, "order must hold each of"),
        ({"rain": 1.0}, "unknown key rain"),
        ("rain", "expected a table"),
    ],
    ids=str,
)
def test_a_wrong_table_is_refused(table: Any, message: str) -> None:
    tables = read_tables(PHOTO) | {"degradations": table}
    with pytest.raises(OptionError, match=message) as caught:
        parse_recipe(tables, where="photo.toml")
    assert str(caught.value).startswith("photo.toml [degradations]: ")


@pytest.mark.parametrize("condition", CONDITIONS)
def test_named_conditions_change_the_picture_as_they_say(condition: str, hr: np.ndarray) -> None:
    lr = degrade_by_name(hr[:127], 4, condition)
    assert lr.shape == (31, 32, 3)
    assert np.array_equal(lr, degrade_by_name(hr[:127], 4, condition))
    difference = np.abs(lr.astype(int) - downscale(hr[:124], 4)).mean()
    assert difference == 0 if condition == "MATLAB bicubic" else 0.2 < difference < 15


def test_stronger_conditions_differ_more(hr: np.ndarray) -> None:
    def difference(condition: str) -> float:
        return float(np.abs(degrade_by_name(hr, 4, condition).astype(int) - downscale(hr, 4)).mean())

    assert difference("JPEG 95") < difference("JPEG 90") < difference("JPEG 75") < difference("JPEG 50")
    assert difference("noise 5") < difference("noise 10")
    assert np.array_equal(degrade_by_name(hr, 4, "area, JPEG 85"), jpeg(shrink(hr, (32, 32), "box"), 85))


def test_an_unknown_condition_is_refused(hr: np.ndarray) -> None:
    with pytest.raises(OptionError, match="a condition is one of MATLAB bicubic, Pillow Lanczos"):
        degrade_by_name(hr, 4, "rain")
