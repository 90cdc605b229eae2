"""TIFF files in bands give what they would give whole."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skimage.data
import tifffile
from PIL import ExifTags, Image

import sr_infer
from sr_infer import measure, upscaler
from sr_infer.image_io import tiff_reader
from sr_infer.resize import imresize


@pytest.fixture
def everything_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upscaler, "_BANDED_PIXELS", 1)


@pytest.mark.usefixtures("everything_is_large")
@pytest.mark.parametrize("layout", [{"tile": (64, 48)}, {"rowsperstrip": 37}, {"rowsperstrip": 37, "byteorder": ">"}])
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_bands_equal_the_whole(
    network: Path, tmp_path: Path, layout: dict[str, Any], channels: int, dtype: Any
) -> None:
    photo = skimage.data.chelsea()[:210, :301].astype(dtype) * (257 if dtype == np.uint16 else 1)
    picture = {1: photo[..., 0], 3: photo, 4: np.dstack([photo, photo[..., 0]])}[channels]
    kind = {"photometric": "rgb" if channels > 1 else "minisblack", "compression": "zlib", "predictor": True}
    extra = {"extrasamples": ["unassalpha"]} if channels == 4 else {}
    options = dict(layout)
    order = options.pop("byteorder", None)
    tifffile.imwrite(tmp_path / "in.tif", picture, byteorder=order, metadata=None, **kind, **extra, **options)
    sr_infer.Upscaler(network, tile=50, halo="exact").upscale_file(tmp_path / "in.tif", tmp_path / "out.tif")
    with tifffile.TiffFile(tmp_path / "out.tif") as file:
        assert file.is_bigtiff
        assert file.pages.first.is_tiled
    whole = sr_infer.upscale(picture, network, tile=1000).astype(int)
    assert np.abs(tifffile.imread(tmp_path / "out.tif") - whole).max() <= (1 if dtype == np.uint16 else 0)


@pytest.mark.usefixtures("everything_is_large")
@pytest.mark.parametrize("sizing", [{"scale": 0.5}, {"width": 700}, {"width": 150, "height": 700}])
def test_other_sizes_in_bands_equal_the_whole(network: Path, tmp_path: Path, sizing: dict[str, Any]) -> None:
    photo = skimage.data.chelsea()
    tifffile.imwrite(tmp_path / "in.tif", photo, photometric="rgb")
    sr_infer.Upscaler(network, tile=64, halo="exact").upscale_file(tmp_path / "in.tif", tmp_path / "out.tif", **sizing)
    large = sr_infer.upscale(photo, network, tile=1000)
    written = tifffile.imread(tmp_path / "out.tif")
    np.testing.assert_array_equal(written, imresize(large, written.shape[:2]))
    np.testing.assert_array_equal(written, sr_infer.upscale(photo, network, tile=1000, **sizing))


@pytest.mark.usefixtures("everything_is_large")
def test_metadata_of_large_files(network: Path, tmp_path: Path, astronaut: np.ndarray) -> None:
    tags = Image.Exif()
    tags[271], tags[33432], tags[700] = "Camera works", "A photographer", b"<x:xmpmeta/>"
    camera = tags.get_ifd(ExifTags.IFD.Exif)
    camera[ExifTags.Base.LensModel], camera[ExifTags.Base.ExposureTime] = "50 mm", 0.01
    camera[ExifTags.Base.ExifImageWidth] = astronaut.shape[1]
    tags.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitude] = (59.0, 19.0, 46.0)
    path = tmp_path / "in.tif"
    with_directories = Image.Exif()
    with_directories.load(tags.tobytes())
    Image.fromarray(astronaut).save(path, exif=with_directories, dpi=(300, 300), icc_profile=b"profile" * 30)
    sr_infer.Upscaler(network).upscale_file(path, tmp_path / "out.tif")
    with Image.open(tmp_path / "out.tif") as image:
        assert image.tag_v2[271] == "Camera works"
        assert image.tag_v2[33432] == "A photographer"
        assert image.info["icc_profile"] == b"profile" * 30
        assert image.info["xmp"] == b"<x:xmpmeta/>"
        assert [float(value) for value in image.info["dpi"]] == [300, 300]
        camera = image.getexif().get_ifd(ExifTags.IFD.Exif)
        assert camera[ExifTags.Base.LensModel] == "50 mm"
        assert float(camera[ExifTags.Base.ExposureTime]) == 0.01
        assert camera[ExifTags.Base.ExifImageWidth] == 2 * astronaut.shape[1]
        assert image.getexif().get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitude] == (59, 19, 46)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "out.tif"), sr_infer.upscale(astronaut, network))


@pytest.mark.usefixtures("everything_is_large")
def test_damage_in_the_middle_is_our_error_and_leaves_the_target(network: Path, tmp_path: Path) -> None:
    picture = skimage.data.coffee()[:200]
    tifffile.imwrite(tmp_path / "in.tif", picture, compression="zlib", rowsperstrip=20, photometric="rgb")
    with tifffile.TiffFile(tmp_path / "in.tif") as file:
        offset = file.pages.first.dataoffsets[5]
    data = bytearray((tmp_path / "in.tif").read_bytes())
    data[offset : offset + 200] = bytes(200)
    (tmp_path / "in.tif").write_bytes(data)
    (tmp_path / "out.tif").write_bytes(b"what was there before")
    with pytest.raises(sr_infer.ImageError, match="damaged"):
        sr_infer.Upscaler(network, tile=32).upscale_file(tmp_path / "in.tif", tmp_path / "out.tif")
    assert (tmp_path / "out.tif").read_bytes() == b"what was there before"
    assert not list(tmp_path.glob(".*"))


def test_files_that_cannot_be_read_in_bands_are_left_to_be_read_whole(tmp_path: Path, astronaut: np.ndarray) -> None:
    Image.fromarray(astronaut).save(tmp_path / "photo.png")
    Image.fromarray(astronaut).quantize(16).save(tmp_path / "palette.tif")
    (tmp_path / "damaged.tif").write_bytes(b"II*\0nonsense")
    large = np.broadcast_to(np.uint8(7), (1100, 9, 3))
    tifffile.imwrite(tmp_path / "one strip.tif", large, photometric="rgb", rowsperstrip=1100)
    for name in ("photo.png", "palette.tif", "damaged.tif", "one strip.tif"):
        assert tiff_reader.TiffRows.open(tmp_path / name, min_pixels=1) is None


def large_file(folder: str, network: str, scale: float) -> Callable[[], object]:
    """A case of `peak_memory`: 24 megapixels through a network that doubles them."""
    source = Path(folder) / "large.tif"
    rows = (np.full((256, 256, 3), index % 251, np.uint8) for index in range(24 * 16))
    tifffile.imwrite(source, rows, shape=(4096, 6144, 3), dtype=np.uint8, tile=(256, 256), photometric="rgb")
    run = sr_infer.Upscaler(network, max_memory="150MB")
    run.load()
    return lambda: run.upscale_file(source, Path(folder) / "larger.tif", scale=scale)


@pytest.mark.slow
@pytest.mark.parametrize("scale", [2, 0.5])
def test_a_large_file_takes_little_memory(
    make_network: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scale: float
) -> None:
    monkeypatch.chdir(Path(sr_infer.__file__).parents[1])
    network = make_network(bytes_per_px=600.0)
    peak = measure.peak_memory(large_file, str(tmp_path), str(network), scale)
    assert peak.added_by_call_bytes < 1.05 * 150e6
    with tifffile.TiffFile(tmp_path / "larger.tif") as file:
        assert file.pages.first.shape == (4096 * scale, 6144 * scale, 3)
