"""What lies beside the pixels survives: one test for each thing that a format can carry."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms, PngImagePlugin, TiffImagePlugin, features

import sr_infer
from sr_infer import Upscaler

PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="1" tiff:ImageWidth="128" '
    b'xmlns:exif="http://ns.adobe.com/exif/1.0/"><exif:PixelYDimension>160</exif:PixelYDimension>'
    b"</rdf:Description></rdf:RDF></x:xmpmeta>"
)
CARRIERS = ["jpg", "png", "webp", "tif", *(["avif"] if features.check("avif") else [])]


def exif(orientation: int) -> Image.Exif:
    tags = Image.Exif()
    tags[ExifTags.Base.Make] = "Camera works"
    tags[ExifTags.Base.Copyright] = "A photographer"
    tags[ExifTags.Base.Orientation] = orientation
    details = tags.get_ifd(ExifTags.IFD.Exif)
    details[ExifTags.Base.ExifImageWidth] = 160
    details[ExifTags.Base.ExifImageHeight] = 128
    details[ExifTags.Base.LensModel] = "50 mm"
    tags.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] = "N"
    return tags


def photo(astronaut: np.ndarray, extension: str, orientation: int = 1, **more: Any) -> bytes:
    """A file with everything in it."""
    options: dict[str, Any] = {"exif": exif(orientation), "icc_profile": PROFILE, "dpi": (300, 300), "xmp": XMP}
    if extension == "png":
        text = PngImagePlugin.PngInfo()
        text.add_itxt("XML:com.adobe.xmp", options.pop("xmp").decode())
        text.add_text("Title", "Portrait")
        text.add_itxt("Beschreibung", "Übergrößenträger")
        options["pnginfo"] = text
    if extension == "tif":
        tags = Image.Exif()
        tags.load(options["exif"].tobytes())
        tags[700] = options.pop("xmp")
        options["exif"] = tags
    buffer = io.BytesIO()
    image_format = Image.registered_extensions()[f".{extension}"]
    Image.fromarray(astronaut).save(buffer, image_format, **(options | more))
    return buffer.getvalue()


@pytest.fixture
def upscaled(network: Path, tmp_path: Path) -> Any:
    def run(data: bytes, source_extension: str, target_extension: str) -> Image.Image:
        source, target = tmp_path / f"in.{source_extension}", tmp_path / f"out.{target_extension}"
        source.write_bytes(data)
        Upscaler(network).upscale_file(source, target)
        image = Image.open(target)
        image.load()
        return image

    return run


@pytest.mark.parametrize("target", CARRIERS)
@pytest.mark.parametrize("source", CARRIERS)
def test_profile_exif_and_xmp_go_from_every_format_to_every_format(
    upscaled: Any, astronaut: np.ndarray, source: str, target: str
) -> None:
    image = upscaled(photo(astronaut, source), source, target)
    assert image.size == (320, 256)
    assert image.info["icc_profile"] == PROFILE
    tags = image.getexif()
    assert tags[ExifTags.Base.Make] == "Camera works"
    assert tags[ExifTags.Base.Copyright] == "A photographer"
    details = tags.get_ifd(ExifTags.IFD.Exif)
    assert details[ExifTags.Base.LensModel] == "50 mm"
    assert (details[ExifTags.Base.ExifImageWidth], details[ExifTags.Base.ExifImageHeight]) == (320, 256)
    assert tags.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] == "N"
    xmp = image.info["xmp"]
    assert b'tiff:ImageWidth="320"' in xmp
    assert b"<exif:PixelYDimension>256<" in xmp
    assert b"tiff:Orientation" not in xmp


@pytest.mark.parametrize("target", ["jpg", "png", "tif", "bmp", "jp2"])
@pytest.mark.parametrize("source", ["jpg", "png", "tif", "bmp"])
def test_resolution_is_kept(upscaled: Any, astronaut: np.ndarray, source: str, target: str) -> None:
    image = upscaled(photo(astronaut, source), source, target)
    assert [round(float(value)) for value in image.info["dpi"]] == [300, 300]


def test_a_result_can_be_upscaled_again(network: Path, astronaut: np.ndarray, tmp_path: Path) -> None:
    """Tags alone, without the directory for camera settings."""
    exif = Image.Exif()
    exif[ExifTags.Base.ImageDescription] = "a portrait"
    Image.fromarray(astronaut[:20, :30]).save(tmp_path / "1.jpg", exif=exif)
    upscaler = Upscaler(network)
    upscaler.upscale_file(tmp_path / "1.jpg", tmp_path / "2.jpg")
    upscaler.upscale_file(tmp_path / "2.jpg", tmp_path / "4.jpg")
    with Image.open(tmp_path / "4.jpg") as large:
        assert large.size == (120, 80)
        assert large.getexif()[ExifTags.Base.ImageDescription] == "a portrait"


def test_png_text_is_kept(upscaled: Any, astronaut: np.ndarray) -> None:
    text = upscaled(photo(astronaut, "png"), "png", "png").text
    assert (text["Title"], text["Beschreibung"]) == ("Portrait", "Übergrößenträger")


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_once(network: Path, astronaut: np.ndarray, orientation: int) -> None:
    """Pillow's own transposition is the reference."""
    data = photo(astronaut, "png", orientation)
    upright = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }
    turned = Image.fromarray(astronaut)
    if orientation > 1:
        turned = turned.transpose(upright[orientation])
    result = Image.open(io.BytesIO(sr_infer.upscale(data, network)))
    assert ExifTags.Base.Orientation not in result.getexif()
    np.testing.assert_array_equal(np.asarray(result), np.asarray(sr_infer.upscale(turned, network)))
    in_memory = sr_infer.upscale(Image.open(io.BytesIO(data)), network)
    np.testing.assert_array_equal(np.asarray(in_memory), np.asarray(result))


def test_the_stale_thumbnail_is_dropped(upscaled: Any, astronaut: np.ndarray) -> None:
    thumbnail = io.BytesIO()
    Image.fromarray(astronaut[::4, ::4]).save(thumbnail, "JPEG")
    tags = exif(1).tobytes()
    first_ifd = tags[6:]
    entries = int.from_bytes(first_ifd[8:10], "big" if first_ifd[:2] == b"MM" else "little")
    order = "big" if first_ifd[:2] == b"MM" else "little"
    next_offset = 10 + 12 * entries
    ifd1 = (2).to_bytes(2, order)
    data_at = len(first_ifd) + 2 + 24 + 4
    for tag, value in ((0x0201, data_at), (0x0202, len(thumbnail.getvalue()))):
        ifd1 += tag.to_bytes(2, order) + (4).to_bytes(2, order) + (1).to_bytes(4, order) + value.to_bytes(4, order)
    with_thumbnail = (
        first_ifd[:next_offset] + len(first_ifd).to_bytes(4, order) + first_ifd[next_offset + 4 :] + ifd1 + bytes(4)
    )
    source = photo(astronaut, "jpg", exif=b"Exif\0\0" + with_thumbnail + thumbnail.getvalue())
    assert Image.open(io.BytesIO(source)).getexif().get_ifd(ExifTags.IFD.IFD1)
    image = upscaled(source, "jpg", "jpg")
    assert not image.getexif().get_ifd(ExifTags.IFD.IFD1)
    assert image.getexif()[ExifTags.Base.Make] == "Camera works"


def test_pillow_images_carry_their_profile(network: Path, astronaut: np.ndarray) -> None:
    result = sr_infer.upscale(Image.open(io.BytesIO(photo(astronaut, "jpg", 6))), network)
    assert result.size == (256, 320)
    assert result.info["icc_profile"] == PROFILE
    assert b"Camera works" in result.info["exif"]


def test_comments_are_kept(upscaled: Any, astronaut: np.ndarray) -> None:
    source = photo(astronaut, "jpg", comment="Grüße".encode())
    assert upscaled(source, "jpg", "jpg").info["comment"] == "Grüße".encode()
    png = upscaled(source, "jpg", "png")
    assert png.text["Comment"] == "Grüße"
    buffer = io.BytesIO()
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", "Grüße")
    png.save(buffer, "PNG", pnginfo=text)
    assert upscaled(buffer.getvalue(), "png", "jpg").info["comment"] == "Grüße".encode()
    buffer = io.BytesIO()
    Image.fromarray(astronaut).quantize(16).save(buffer, "GIF", comment=b"drawn")
    assert upscaled(buffer.getvalue(), "gif", "png").text["Comment"] == "drawn"
    assert upscaled(source, "jpg", "jp2").info["comment"] == "Grüße".encode()


def test_formats_that_hold_nothing_say_so(
    upscaled: Any, astronaut: np.ndarray, caplog: pytest.LogCaptureFixture
) -> None:
    upscaled(photo(astronaut, "jpg"), "jpg", "bmp")
    assert "BMP files are written without ICC profile, EXIF, XMP" in caplog.text


def test_tiff_files_are_compressed(upscaled: Any) -> None:
    Image.new("RGB", (300, 300), "navy").save(buffer := io.BytesIO(), "TIFF")
    large = upscaled(buffer.getvalue(), "tif", "tif")
    assert large.size == (600, 600)
    assert Path(large.filename).stat().st_size < 600 * 600 / 20


def test_what_jpeg_cannot_hold_is_left_out_with_a_warning(
    upscaled: Any, astronaut: np.ndarray, caplog: pytest.LogCaptureFixture
) -> None:
    long_xmp = XMP.replace(b"</x:xmpmeta>", b" " * 70_000 + b"</x:xmpmeta>")
    text = PngImagePlugin.PngInfo()
    text.add_itxt("XML:com.adobe.xmp", long_xmp.decode())
    source = photo(astronaut, "png", pnginfo=text)
    image = upscaled(source, "png", "jpg")
    assert "XMP of 70" in caplog.text
    assert "xmp" not in image.info
    assert image.getexif()[ExifTags.Base.Make] == "Camera works"
    assert len(upscaled(source, "png", "webp").info["xmp"]) > 70_000


@pytest.mark.parametrize("target", ["a.png", "a.jpg", "a.tif", "a.bmp"])
@pytest.mark.parametrize("resolution", [(0, 0), (4_000_000_000, 1)], ids=str)
def test_an_impossible_resolution_is_left_out(
    network: Path, astronaut: np.ndarray, tmp_path: Path, resolution: tuple[int, int], target: str
) -> None:
    source = tmp_path / "source.tif"
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    for tag in (ExifTags.Base.XResolution, ExifTags.Base.YResolution):
        tags[tag] = TiffImagePlugin.IFDRational(*resolution)
    tags[ExifTags.Base.ResolutionUnit] = 2
    Image.fromarray(astronaut[:20, :24]).save(source, tiffinfo=tags)
    sr_infer.Upscaler(network).upscale_file(source, tmp_path / target)
    with Image.open(tmp_path / target) as result:
        assert result.size == (48, 40)


@pytest.mark.filterwarnings("error")
def test_damaged_exif_is_left_out(network: Path, astronaut: np.ndarray, caplog: pytest.LogCaptureFixture) -> None:
    """A tag that says XResolution and holds text."""
    buffer = io.BytesIO()
    Image.fromarray(astronaut[:16, :20]).save(buffer, "JPEG", exif=exif(1))
    damaged = buffer.getvalue().replace(b"\x01\x0f\x00\x02", b"\x01\x1a\x00\x02")
    assert damaged != buffer.getvalue()
    result = Image.open(io.BytesIO(sr_infer.upscale(damaged, network)))
    assert (result.size, dict(result.getexif())) == ((40, 32), {})
    assert "damaged EXIF" in caplog.text


def test_no_pointer_into_the_old_file_is_kept(network: Path, astronaut: np.ndarray, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ExifTags.IFD.Exif] = {ExifTags.Base.ISOSpeedRatings: 200, ExifTags.IFD.Interop: {1: "R98"}}
    Image.fromarray(astronaut[:20, :24]).save(tmp_path / "a.jpg", exif=exif)
    sr_infer.Upscaler(network).upscale_file(tmp_path / "a.jpg", tmp_path / "b.jpg")
    with Image.open(tmp_path / "b.jpg") as result:
        assert dict(result.getexif().get_ifd(ExifTags.IFD.Exif)) == {ExifTags.Base.ISOSpeedRatings: 200}
