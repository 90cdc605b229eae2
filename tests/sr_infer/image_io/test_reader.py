"""What comes in goes out: types, modes, bit depths, transparency, on real files."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skimage.data
import tifffile
from PIL import Image, ImageCms

import sr_infer
from sr_infer import ImageError, OptionError
from sr_infer.image_io import formats, reader, writer
from sr_infer.image_io.metadata import Metadata
from sr_infer.resize import imresize

MODES_GIVEN_BACK = {
    "1": "L",
    "L": "L",
    "LA": "LA",
    "P": "RGB",
    "RGB": "RGB",
    "RGBA": "RGBA",
    "CMYK": "RGB",
    "YCbCr": "RGB",
    "I;16": "I;16",
}


@pytest.fixture(scope="module")
def deep() -> np.ndarray:
    """A 16-bit photograph, (90, 120, 3) uint16, with values between those of 8 bits."""
    return imresize(skimage.data.chelsea()[:180, :240].astype(np.uint16) * 257, (90, 120))


@pytest.fixture(scope="module")
def logo() -> Image.Image:
    """A picture with a soft-edged transparent surrounding, under which the colour is black."""
    face = skimage.data.astronaut()[60:188, 150:310]
    y, x = np.mgrid[:128, :160]
    alpha = np.clip((50 - np.hypot(y - 64, x - 80)) * 60, 0, 255).astype(np.uint8)
    return Image.fromarray(np.dstack([np.where(alpha[..., None] > 0, face, 0), alpha]))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("shape", [(40, 50), (40, 50, 1), (40, 50, 3), (40, 50, 4)])
def test_arrays_keep_dtype_and_dimensions(network: Path, dtype: Any, shape: tuple[int, ...]) -> None:
    peak = 1 if dtype == np.float32 else np.iinfo(dtype).max
    picture = (np.random.default_rng(0).random(shape) * peak).astype(dtype)
    result = sr_infer.upscale(picture, network)
    assert result.dtype == dtype
    assert result.shape == (80, 100, *shape[2:])


def test_deeper_arrays_agree_with_8_bits_but_are_finer(network: Path, deep: np.ndarray) -> None:
    fine = sr_infer.upscale(deep, network)
    exact = sr_infer.upscale(deep.astype(np.float32) / np.float32(65535), network)
    coarse = sr_infer.upscale(np.rint(deep / 257).astype(np.uint8), network)
    assert np.abs(fine / 65535 - exact).max() < 1 / 65535
    assert np.abs(fine / 65535 - coarse / 255).max() < 0.02
    assert len(np.unique(fine % 257)) == 257


@pytest.mark.parametrize(
    ("mode", "result_mode"),
    MODES_GIVEN_BACK.items(),
)
def test_pillow_modes(network: Path, mode: str, result_mode: str) -> None:
    photo = Image.fromarray(skimage.data.coffee()[100:160, 100:180])
    picture = Image.fromarray(np.asarray(photo.convert("L")).astype(np.uint16) * 257)
    if mode != "I;16":
        picture = photo.convert(mode)
    result = sr_infer.upscale(picture, network)
    assert (result.mode, result.size) == (result_mode, (160, 120))
    before = np.asarray(photo.convert("L").resize((20, 15), Image.Resampling.BOX), float)
    large = Image.fromarray((np.asarray(result) // 257).astype(np.uint8)) if mode == "I;16" else result.convert("L")
    after = np.asarray(large.resize((20, 15), Image.Resampling.BOX), float)
    assert np.corrcoef(before.ravel(), after.ravel())[0, 1] > 0.8


def test_palette_with_transparency_becomes_rgba(network: Path, logo: Image.Image, tmp_path: Path) -> None:
    logo.save(tmp_path / "logo.gif")
    logo.quantize(64).save(tmp_path / "logo.png")
    for name in ("logo.gif", "logo.png"):
        result = sr_infer.upscale(tmp_path / name, network)
        assert result.mode == "RGBA"
        assert result.getpixel((0, 0))[3] == 0
        assert result.getpixel((160, 128))[3] == 255


def test_cmyk_comes_back_as_rgb_with_an_srgb_profile(network: Path, astronaut: np.ndarray, tmp_path: Path) -> None:
    Image.fromarray(astronaut).convert("CMYK").save(tmp_path / "print.jpg")
    result = sr_infer.upscale(tmp_path / "print.jpg", network)
    assert result.mode == "RGB"
    assert "sRGB" in ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(result.info["icc_profile"])))


def test_file_objects_and_bytes(network: Path, astronaut: np.ndarray) -> None:
    buffer = io.BytesIO()
    Image.fromarray(astronaut).save(buffer, "JPEG")
    buffer.seek(0)
    assert isinstance(sr_infer.upscale(buffer, network), Image.Image)
    encoded = sr_infer.upscale(buffer.getvalue(), network)
    assert Image.open(io.BytesIO(encoded)).format == "JPEG"


def test_transparent_surroundings_leave_no_dark_fringe(network: Path, logo: Image.Image) -> None:
    result = np.asarray(sr_infer.upscale(logo, network)).astype(int)
    face = Image.fromarray(skimage.data.astronaut()[60:188, 150:310])
    opaque = np.asarray(sr_infer.upscale(face, network)).astype(int)
    edge = (result[..., 3] > 16) & (result[..., 3] < 240)
    assert edge.sum() > 100
    darker = (opaque - result[..., :3])[edge].mean(axis=-1)
    assert np.median(np.abs(darker)) < 12
    hidden = np.asarray(logo).copy()
    hidden[..., :3][hidden[..., 3] == 0] = (0, 255, 0)
    other = np.asarray(sr_infer.upscale(Image.fromarray(hidden), network)).astype(int)
    assert np.abs(other - result)[edge].max() <= 1


def test_transparent_pictures_tile_exactly(network: Path, logo: Image.Image) -> None:
    for alpha in ("bicubic", "model"):
        whole = sr_infer.upscale(logo, network, tile=1000, alpha=alpha)
        tiled = sr_infer.upscale(logo, network, tile=24, halo="exact", alpha=alpha)
        np.testing.assert_array_equal(np.asarray(tiled), np.asarray(whole))


def test_alpha_is_bicubic_unless_the_model_is_asked(network: Path, logo: Image.Image) -> None:
    alpha = np.asarray(logo)[..., 3]
    bicubic = np.asarray(sr_infer.upscale(logo, network))[..., 3]
    np.testing.assert_array_equal(bicubic, imresize(alpha, (256, 320)))
    by_model = np.asarray(sr_infer.upscale(logo, network, alpha="model"))[..., 3]
    np.testing.assert_array_equal(by_model, sr_infer.upscale(alpha, network))


def test_constant_alpha_stays_constant(network: Path, astronaut: np.ndarray) -> None:
    picture = np.dstack([astronaut, np.full(astronaut.shape[:2], 77, np.uint8)])
    assert (sr_infer.upscale(picture, network)[..., 3] == 77).all()


@pytest.mark.parametrize("name", ["deep.png", "deep.tif", "deep.jp2"])
@pytest.mark.parametrize("channels", [2, 3, 4])
def test_16_bit_colour_files_round_trip(
    network: Path, deep: np.ndarray, tmp_path: Path, name: str, channels: int
) -> None:
    picture = {2: deep[..., :2], 3: deep, 4: np.dstack([deep, deep[..., 0]])}[channels]
    source, target = tmp_path / name, tmp_path / f"large-{name}"
    writer.write(picture, source, Metadata(dpi=(300, 300), icc_profile=b"profile" * 30))
    result = sr_infer.upscale(source, network)
    assert isinstance(result, np.ndarray)
    assert result.dtype == np.uint16
    if channels > 2:
        np.testing.assert_array_equal(result, sr_infer.upscale(picture, network))
    sr_infer.Upscaler(network).upscale_file(source, target)
    written = reader.read(target)
    np.testing.assert_array_equal(written.pixels, result)
    assert [round(value) for value in written.metadata.dpi] == [300, 300]
    assert written.metadata.icc_profile == b"profile" * 30
    if name.endswith("tif"):
        np.testing.assert_array_equal(tifffile.imread(target), result)


def test_transparent_grey_of_16_bits_keeps_depth_and_transparency(
    network: Path, deep: np.ndarray, tmp_path: Path
) -> None:
    grey = deep[..., 0].copy()
    grey[:20, :30] = 1000
    Image.fromarray(grey).save(tmp_path / "grey.png", transparency=1000)
    result = sr_infer.upscale(tmp_path / "grey.png", network)
    assert (result.dtype, result.shape) == (np.uint16, (180, 240, 2))
    assert (result[:30, :50, 1] == 0).all()
    assert (result[60:, :, 1] == 65535).all()
    assert len(np.unique(result[60:, :, 0] % 257)) > 200


def test_16_bit_bytes_give_16_bit_bytes(network: Path, deep: np.ndarray) -> None:
    encoded = writer.encode(deep, formats.PNG, Metadata())
    result = sr_infer.upscale(encoded, network)
    np.testing.assert_array_equal(reader.read(result).pixels, sr_infer.upscale(deep, network))


def test_foreign_16_bit_tiff_layouts(network: Path, deep: np.ndarray, tmp_path: Path) -> None:
    expected = sr_infer.upscale(deep, network)
    path = tmp_path / "foreign.tif"
    tifffile.imwrite(path, deep, photometric="rgb", byteorder=">", compression="lzw", tile=(32, 32))
    np.testing.assert_array_equal(sr_infer.upscale(path, network), expected)
    tifffile.imwrite(path, np.moveaxis(deep, -1, 0), photometric="rgb", planarconfig="separate")
    np.testing.assert_array_equal(sr_infer.upscale(path, network), expected)


@pytest.mark.parametrize("bits", [10, 12])
def test_between_8_and_16_bits_white_stays_white(network: Path, astronaut: np.ndarray, bits: int) -> None:
    imagecodecs = pytest.importorskip("imagecodecs")
    levels = np.rint(astronaut[:40, :48] / 255 * (2**bits - 1)).astype(np.uint16)
    encoded = imagecodecs.jpeg2k_encode(levels, level=0, codecformat="jp2", reversible=True, bitspersample=bits)
    result = sr_infer.upscale(io.BytesIO(encoded), network)
    shallow = sr_infer.upscale(astronaut[:40, :48], network)
    assert np.abs(result / 257.0 - shallow).max() < 1


def test_16_bit_grey_is_no_negative_where_white_is_zero(network: Path, deep: np.ndarray, tmp_path: Path) -> None:
    tifffile = pytest.importorskip("tifffile")
    grey = deep[..., 0]
    tifffile.imwrite(tmp_path / "black.tif", grey, photometric="minisblack")
    tifffile.imwrite(tmp_path / "white.tif", 65535 - grey, photometric="miniswhite")
    black, white = (np.asarray(sr_infer.upscale(tmp_path / name, network)) for name in ("black.tif", "white.tif"))
    np.testing.assert_array_equal(black, white)


def test_deep_colour_is_never_halved_silently(network: Path, deep: np.ndarray, tmp_path: Path) -> None:
    height, width = deep.shape[:2]
    (tmp_path / "deep.ppm").write_bytes(b"P6 %d %d 65535\n" % (width, height) + deep.astype(">u2").tobytes())
    with pytest.raises(ImageError, match="PNG, TIFF and JPEG 2000 only"):
        sr_infer.upscale(tmp_path / "deep.ppm", network)
    Image.fromarray(deep[..., 0]).save(tmp_path / "grey.png")
    for name in ("out.jpg", "out.webp", "out.avif"):
        with pytest.raises(sr_infer.OutputError, match="16"):
            sr_infer.Upscaler(network).upscale_file(tmp_path / "grey.png", tmp_path / name)


def test_without_the_extra_deep_colour_is_refused_by_its_name(
    network: Path, deep: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "deep.png"
    writer.write(deep, path, Metadata())
    monkeypatch.setitem(__import__("sys").modules, "imagecodecs", None)
    with pytest.raises(ImageError, match=r"sr-infer\[hdr\]"):
        sr_infer.upscale(path, network)


def test_animations_give_their_first_frame_and_a_warning(
    network: Path, astronaut: np.ndarray, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    frames = [Image.fromarray(astronaut), Image.fromarray(255 - astronaut)]
    frames[0].save(tmp_path / "film.webp", save_all=True, append_images=frames[1:], lossless=True)
    result = sr_infer.upscale(tmp_path / "film.webp", network)
    assert "2 frames" in caplog.text
    np.testing.assert_array_equal(np.asarray(result), sr_infer.upscale(astronaut, network))


@pytest.mark.parametrize(
    "picture",
    [
        np.zeros((0, 5, 3), np.uint8),
        np.zeros((5, 5, 2), np.uint8),
        np.zeros((5, 5, 5), np.uint8),
        np.zeros((1, 5, 5, 3), np.uint8),
        np.zeros((5, 5, 3), np.int64),
        np.zeros((5, 5, 3), bool),
        np.full((5, 5, 3), np.nan, np.float32),
        np.full((5, 5, 3), np.inf, np.float32),
        np.full((5, 5, 3), 128, np.float32),
        [[1, 2], [3, 4]],
        None,
        b"",
        b"GIF89a",
        io.BytesIO(b"nonsense"),
        Image.new("F", (5, 5)),
        Image.new("I", (5, 5)),
        Image.new("RGB", (0, 5)),
    ],
)
def test_what_is_no_picture_is_refused(network: Path, picture: Any) -> None:
    with pytest.raises(ImageError):
        sr_infer.upscale(picture, network)


def test_no_other_program_is_run_on_a_drawing(
    network: Path, astronaut: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ghostscript = tmp_path / "gs"
    ghostscript.write_text(f"#!/bin/sh\ntouch {tmp_path}/was-run\n")
    ghostscript.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr("PIL.EpsImagePlugin.gs_binary", None)
    Image.fromarray(astronaut[:20, :24]).save(tmp_path / "drawing.eps")
    with pytest.raises(ImageError, match="EPS files are drawn by other programs"):
        sr_infer.upscale(tmp_path / "drawing.eps", network)
    assert not (tmp_path / "was-run").exists()


@pytest.mark.parametrize("name", ["out.gif", "out.ico", "out.icns", "out.pdf", "out.eps", "out.mpo"])
def test_formats_that_would_lose_the_picture_are_not_written(
    network: Path, astronaut: np.ndarray, tmp_path: Path, name: str
) -> None:
    Image.fromarray(astronaut[:20, :24]).save(tmp_path / "in.png")
    with pytest.raises(OptionError, match="expected a file name such as"):
        sr_infer.Upscaler(network).upscale_file(tmp_path / "in.png", tmp_path / name)
    assert not (tmp_path / name).exists()


def test_a_huge_header_is_refused_before_decoding(network: Path, tmp_path: Path) -> None:
    import struct
    import zlib

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + b"IHDR" + header + struct.pack(">I", zlib.crc32(b"IHDR" + header))
    data = struct.pack(">I", 9) + b"IDAT" + bytes(9) + bytes(4)
    (tmp_path / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunk + data)
    allowed = Image.MAX_IMAGE_PIXELS
    with pytest.raises(ImageError, match="max_pixels"):
        sr_infer.upscale(tmp_path / "bomb.png", network)
    assert allowed == Image.MAX_IMAGE_PIXELS
    Image.new("RGB", (50, 50)).save(tmp_path / "small.png")
    with pytest.raises(ImageError, match="max_pixels"):
        sr_infer.upscale(tmp_path / "small.png", network, max_pixels=2499)
