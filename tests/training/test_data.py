"""Pictures to patches."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from exporters.checkpoints.read import read_checkpoint
from sr_infer.errors import ImageError
from sr_infer.resize import downscale
from training.checkpoint import save_network
from training.data.__main__ import main
from training.data.folder import is_validation, picture_names, read_pictures, scan_folder
from training.data.patch_bank import PatchBank
from training.networks import PlainConfig, build_network

CPU = torch.device("cpu")


@pytest.mark.parametrize("divisors", [(4, 2, 1), (3, 1)])
def test_patches_of_all_resolutions_show_the_same_place(
    photographs: list[np.ndarray], divisors: tuple[int, ...]
) -> None:
    bank = PatchBank(photographs, divisors=divisors, lr_patch_px=24, device=CPU)
    levels = bank.draw(16, torch.Generator().manual_seed(3))
    assert [tuple(level.shape) for level in levels] == [
        (16, 3, 24 * divisors[0] // d, 24 * divisors[0] // d) for d in divisors
    ]
    for level, divisor in zip(levels[:-1], divisors[:-1], strict=True):
        for fine, coarse in zip(levels[-1], level, strict=True):
            shrunk = downscale(fine.permute(1, 2, 0).numpy(), divisor).astype(int)
            inner = slice(3, -3)
            difference = np.abs(shrunk - coarse.permute(1, 2, 0).numpy())[inner, inner]
            assert difference.mean() < 0.5  # turned patches are shrunk in the other order, with roundings of their own


def test_patches_come_in_all_eight_orientations() -> None:
    ramp = np.arange(64, dtype=np.uint8)[:, None] + 2 * np.arange(64, dtype=np.uint8)[None]
    bank = PatchBank([ramp[:, :, None].repeat(3, 2)], divisors=(2, 1), lr_patch_px=8, device=CPU)
    hr = bank.draw(200, torch.Generator().manual_seed(0))[-1][:, 0].int()
    slopes = {(int(p[1, 0] - p[0, 0]), int(p[0, 1] - p[0, 0])) for p in hr}
    assert slopes == {(a * s, b * t) for a, b in ((1, 2), (2, 1)) for s in (1, -1) for t in (1, -1)}


def test_patches_come_from_shrunk_copies_too() -> None:
    checkerboard = np.indices((64, 64)).sum(0).astype(np.uint8)[:, :, None].repeat(3, 2) % 2 * 255
    bank = PatchBank([checkerboard], divisors=(2, 1), lr_patch_px=8, device=CPU, shrunk=(0.5, 0.1))
    assert len(bank) == 1
    hr = bank.draw(100, torch.Generator().manual_seed(0))[-1].float()
    assert {round(float(patch.std())) > 100 for patch in hr} == {True, False}, "the copy is grey"


def test_a_share_of_the_batch_is_what_one_process_would_have_drawn(photographs: list[np.ndarray]) -> None:
    bank = PatchBank(photographs, divisors=(2, 1), lr_patch_px=16, device=CPU)
    whole = bank.draw(6, torch.Generator().manual_seed(5))
    parts = [bank.draw(6, torch.Generator().manual_seed(5), share=slice(i, i + 3)) for i in (0, 3)]
    for level, first, second in zip(whole, *parts, strict=True):
        torch.testing.assert_close(level, torch.cat((first, second)))


def test_tiles_of_one_source_stay_on_one_side(tmp_path: Path) -> None:
    for name in ("a.png", "b.png", "c.png"):
        Image.new("RGB", (8, 8)).save(tmp_path / name)
    source = next(str(n) for n in range(1000) if is_validation(str(n)))
    rows = "file,source_file,set,licence\n" + "".join(f"{name}.png,{source},mine,CC0\n" for name in "ab")
    (tmp_path / "sources.csv").write_text(rows + "c.png,other,mine,CC BY 4.0\n")
    folder = scan_folder(tmp_path)
    assert folder.validation == ("a.png", "b.png")
    assert folder.train == ("c.png",)
    assert folder.attribution == "mine: CC BY 4.0"


def test_lr_pictures_beside_their_hr_pictures_are_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("DIV2K_train_HR/0001.png", "DIV2K_train_LR_bicubic/X2/0001x2.png", "COLR/a.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(tmp_path / name)
    assert picture_names(tmp_path) == ["COLR/a.png", "DIV2K_train_HR/0001.png"]
    assert "left out 1 pictures" in caplog.text


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (b"b.png,other\n", "line 3: expected 4 values"),
        (b"b.png,other,mine,CC0,more\n", "line 3: expected 4 values"),
        (b"b.png,caf\xe9,mine,CC0\n", "line 3: expected UTF-8"),
    ],
)
def test_a_wrong_row_of_sources_is_named(row: bytes, message: str, tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    (tmp_path / "sources.csv").write_bytes(b"file,source_file,set,licence\na.png,one,mine,CC0\n" + row)
    with pytest.raises(ImageError, match=message):
        scan_folder(tmp_path)


def test_pictures_that_would_come_out_wrong_are_skipped(
    tmp_path: Path, photographs: list[np.ndarray], caplog: pytest.LogCaptureFixture
) -> None:
    picture = Image.fromarray(photographs[1])
    picture.save(tmp_path / "opaque.png")
    picture.convert("P").save(tmp_path / "palette.png")
    picture.convert("P").save(tmp_path / "holes.png", transparency=3)
    picture.convert("RGBA").save(tmp_path / "alpha.png")
    Image.fromarray(photographs[1][..., 0].astype(np.uint16) * 257).save(tmp_path / "deep.png")
    kept = list(read_pictures(tmp_path, picture_names(tmp_path), least_px=8))
    assert len(kept) == 2
    alpha, deep, holes = caplog.messages
    assert "alpha.png is of mode RGBA; expected 8 bits" in alpha
    assert "deep.png is of mode I;16; expected 8 bits" in deep
    assert "holes.png is transparent" in holes


def test_the_report_names_what_is_broken_and_what_is_a_benchmark_picture(
    tmp_path: Path, photographs: list[np.ndarray], capsys: pytest.CaptureFixture[str]
) -> None:
    data, benchmark = tmp_path / "data", tmp_path / "bench"
    data.mkdir()
    benchmark.mkdir()
    Image.fromarray(photographs[0]).save(benchmark / "astronaut.png")
    Image.fromarray(photographs[0]).resize((200, 200)).save(data / "copy.jpg", quality=70)
    Image.fromarray(photographs[1][:, ::-1].copy()).save(data / "cat.png")
    (data / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and then nothing")
    assert main([str(data), "--against", str(benchmark)]) == 0
    report = capsys.readouterr().out
    assert "2 pictures" in report
    assert "1 broken" in report
    assert "broken.png" in report
    assert "1 near-duplicates of 1 benchmark pictures" in report
    assert "copy.jpg ~ bench/astronaut.png" in report


def test_an_empty_folder_is_one_line_and_exit_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith("error: no pictures in")


def test_what_was_found_goes_into_the_weights_and_their_card(
    tmp_path: Path, photographs: list[np.ndarray], capsys: pytest.CaptureFixture[str]
) -> None:
    for name, picture in zip(("data", "bench"), photographs, strict=False):
        (tmp_path / name).mkdir()
        Image.fromarray(picture).save(tmp_path / name / "picture.png")
    config = PlainConfig(scale=2, widths=(8, 8))
    weights = tmp_path / "tiny.safetensors"
    tables = {"network": {"architecture": "plain", **asdict(config)}}
    save_network(weights, build_network("plain", config), tables, {"steps": 3, "batch": 4, "lr_patch_px": 16})
    assert main([str(tmp_path / "data"), "--record", str(weights)]) == 2
    assert "expected --against with benchmark pictures" in capsys.readouterr().err
    assert main([str(tmp_path / "data"), "--against", str(tmp_path / "bench"), "--record", str(weights)]) == 0
    assert "3 steps" in read_checkpoint(weights).trained_on
    assert "with 0 near-duplicates of 1 benchmark pictures" in read_checkpoint(weights).trained_on
