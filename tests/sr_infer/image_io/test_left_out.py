"""Whatever a file holds and its result does not is carried over or named in a warning."""

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image, PngImagePlugin, TiffImagePlugin

import sr_infer
from sr_infer import Upscaler
from sr_infer.errors import ImageError

tifffile = pytest.importorskip("tifffile")

COLOUR = {
    b"cICP": bytes([9, 16, 0, 1]),
    b"gAMA": struct.pack(">I", 45455),
    b"cHRM": struct.pack(">8I", 31270, 32900, 70800, 29200, 17000, 79700, 13100, 4600),
    b"sRGB": b"\1",
    b"mDCV": bytes(range(24)),
    b"cLLI": struct.pack(">II", 10_000_000, 4_000_000),
}
"""Content of each colour chunk of PNG."""
GAIN_MAP_XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/" '
    b'xmlns:Container="http://ns.google.com/photos/1.0/container/" '
    b'xmlns:Item="http://ns.google.com/photos/1.0/container/item/" '
    b'xmlns:dc="http://purl.org/dc/elements/1.1/" dc:format="image/jpeg" hdrgm:Version="1.0">'
    b"<dc:rights>A photographer</dc:rights>"
    b'<Container:Directory><rdf:Seq><rdf:li rdf:parseType="Resource"><Container:Item Item:Semantic="Primary" '
    b'Item:Mime="image/jpeg"/></rdf:li><rdf:li rdf:parseType="Resource"><Container:Item Item:Semantic="GainMap" '
    b'Item:Mime="image/jpeg" Item:Length="1234"/></rdf:li></rdf:Seq></Container:Directory>'
    b"</rdf:Description></rdf:RDF></x:xmpmeta>"
)
MOTION_XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b"<rdf:Description xmlns:GCamera='http://ns.google.com/photos/1.0/camera/' "
    b'xmlns:dc="http://purl.org/dc/elements/1.1/" GCamera:MicroVideo="1" GCamera:MicroVideoOffset="99" '
    b'GCamera:SpecialTypeID="x" dc:format="image/jpeg"><GCamera:MotionPhoto>1</GCamera:MotionPhoto>'
    b"</rdf:Description></rdf:RDF></x:xmpmeta>"
)


def png(pixels: np.ndarray, *more: tuple[bytes, bytes]) -> bytes:
    """A PNG file with chunks after its header."""
    if pixels.dtype == np.uint16:
        encoded = bytes(pytest.importorskip("imagecodecs").png_encode(pixels))
    else:
        Image.fromarray(pixels).save(buffer := io.BytesIO(), "PNG")
        encoded = buffer.getvalue()
    inserted = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in more
    )
    return encoded[:33] + inserted + encoded[33:]


def png_chunks(data: bytes) -> dict[bytes, bytes]:
    found, position = {}, 8
    while position < len(data):
        length = int.from_bytes(data[position : position + 4], "big")
        content = data[position + 8 : position + 8 + length]
        kind = data[position + 4 : position + 8]
        assert zlib.crc32(kind + content) == int.from_bytes(data[position + 8 + length : position + 12 + length], "big")
        found.setdefault(kind, content)
        position += 12 + length
    return found


def jpeg(pixels: np.ndarray, xmp: bytes, *segments: bytes) -> bytes:
    """A JPEG file with application segments after its first marker."""
    Image.fromarray(pixels).save(buffer := io.BytesIO(), "JPEG", xmp=xmp)
    inserted = b"".join(b"\xff\xe2" + (len(data) + 2).to_bytes(2, "big") + data for data in segments)
    return buffer.getvalue()[:2] + inserted + buffer.getvalue()[2:]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_colour_chunks_of_png_are_kept_byte_by_byte(network: Path, astronaut: np.ndarray, dtype: type) -> None:
    pixels = astronaut[:20, :24].astype(dtype) * (257 if dtype == np.uint16 else 1)
    result = sr_infer.upscale(png(pixels, *COLOUR.items()), network)
    found = png_chunks(result)
    assert {kind: found.get(kind) for kind in COLOUR} == COLOUR
    assert list(found).index(b"cICP") < list(found).index(b"IDAT")
    plain = sr_infer.upscale(png(pixels), network)
    assert found[b"IDAT"] == png_chunks(plain)[b"IDAT"]


@pytest.mark.parametrize("extension", ["jpg", "tif", "webp", "bmp", "jp2"])
def test_colour_chunks_that_a_format_cannot_hold_are_named_in_one_warning(
    network: Path, astronaut: np.ndarray, extension: str, caplog: pytest.LogCaptureFixture
) -> None:
    source = png(astronaut[:20, :24], (b"cICP", COLOUR[b"cICP"]), (b"gAMA", COLOUR[b"gAMA"]))
    Upscaler(network).upscale_bytes(source, extension=extension)
    assert [record.getMessage() for record in caplog.records if "cICP, gAMA" in record.getMessage()]
    assert len(caplog.records) == 1


def tiff_with_everything(pixels: np.ndarray) -> bytes:
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    for tag, kind, value in (
        (33550, 12, (10.0, 10.0, 0.0)),
        (33922, 12, (0.0, 0.0, 0.0, 500_000.0, 4_600_000.0, 0.0)),
        (34735, 3, (1, 1, 0, 1, 1024, 0, 1, 1)),
        (34737, 2, "WGS 84|"),
        (42113, 2, "-9999"),
        (60123, 3, 7),
    ):
        tags.tagtype[tag] = kind
        tags[tag] = value
    Image.fromarray(pixels).save(buffer := io.BytesIO(), "TIFF", tiffinfo=tags)
    return buffer.getvalue()


def jpeg_with_gain_map(pixels: np.ndarray) -> bytes:
    gain_map = jpeg(pixels[::4, ::4], GAIN_MAP_XMP)
    return jpeg(pixels, GAIN_MAP_XMP, b"urn:iso:std:iso:ts:21496:-1\0" + bytes(4)) + gain_map


def motion_photo(pixels: np.ndarray) -> bytes:
    return jpeg(pixels, MOTION_XMP) + struct.pack(">I4s4sI", 16, b"ftyp", b"mp42", 0) + bytes(99)


def jpeg_with_iptc_and_trailer(pixels: np.ndarray) -> bytes:
    data = jpeg(pixels, b"<x/>") + b"made by a scanner"
    return data[:2] + b"\xff\xed" + (2 + 18).to_bytes(2, "big") + b"Photoshop 3.0\0" + bytes(4) + data[2:]


def webp_with_a_private_chunk(pixels: np.ndarray) -> bytes:
    Image.fromarray(pixels).save(buffer := io.BytesIO(), "WEBP")
    body = buffer.getvalue()[8:] + b"MINE" + struct.pack("<I", 2) + b"xy"
    return b"RIFF" + struct.pack("<I", len(body)) + body


def png_with_private_chunks(pixels: np.ndarray) -> bytes:
    return png(pixels, (b"prVt", b"x"), (b"bKGD", bytes(6)))


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (
            tiff_with_everything,
            "ModelPixelScale, ModelTiepoint, GeoKeyDirectory, GeoAsciiParams, GDAL_NODATA, TIFF tag 60123",
        ),
        (jpeg_with_gain_map, "gain map"),
        (motion_photo, "video of a motion photo"),
        (jpeg_with_iptc_and_trailer, "Photoshop and IPTC data, 17 bytes that follow the picture"),
        (webp_with_a_private_chunk, "WebP chunk MINE"),
        (png_with_private_chunks, "PNG chunk prVt, PNG chunk bKGD"),
    ],
)
def test_every_part_that_is_left_out_is_named_in_one_warning(
    network: Path,
    astronaut: np.ndarray,
    make: Callable[[np.ndarray], bytes],
    expected: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    sr_infer.upscale(make(astronaut[:40, :48].copy()), network)
    assert [record.getMessage() for record in caplog.records] == [f"this input: the result is without {expected}"]


@pytest.mark.parametrize("extension", ["png", "jpg", "tif", "webp", "jp2", "bmp"])
def test_ordinary_files_give_no_warning(
    network: Path, astronaut: np.ndarray, extension: str, caplog: pytest.LogCaptureFixture
) -> None:
    Image.fromarray(astronaut[:20, :24]).save(
        buffer := io.BytesIO(), Image.registered_extensions()[f".{extension}"], dpi=(300, 300)
    )
    result = sr_infer.upscale(buffer.getvalue(), network)
    sr_infer.upscale(result, network)
    assert caplog.records == []


@pytest.mark.parametrize("extension", ["jpg", "png", "webp"])
@pytest.mark.parametrize("make", [jpeg_with_gain_map, motion_photo])
def test_no_result_claims_a_part_that_it_lacks(
    network: Path, astronaut: np.ndarray, make: Callable[[np.ndarray], bytes], extension: str
) -> None:
    source = make(astronaut[:40, :48].copy())
    result = Upscaler(network).upscale_bytes(source, extension=extension)
    for claim in (
        b"hdrgm",
        b"hdr-gain-map",
        b"Container",
        b"Item:",
        b"GainMap",
        b"MotionPhoto",
        b"MicroVideo",
        b"MPF\0",
    ):
        assert claim not in result
    image = Image.open(io.BytesIO(result))
    image.load()
    kept = image.info.get("xmp") or image.info["XML:com.adobe.xmp"].encode()
    assert b'dc:format="image/jpeg"' in kept
    if make is jpeg_with_gain_map:
        assert b"<dc:rights>A photographer</dc:rights></rdf:Description>" in kept
    else:
        assert b'GCamera:SpecialTypeID="x"' in kept
    ElementTree.fromstring(kept.rstrip(b"\0"))  # it is still well-formed


def test_a_picture_of_two_eyes_gives_the_first_with_a_warning(
    network: Path, astronaut: np.ndarray, caplog: pytest.LogCaptureFixture
) -> None:
    left, right = Image.fromarray(astronaut[:20, :24]), Image.fromarray(astronaut[4:24, :24])
    left.save(buffer := io.BytesIO(), "MPO", save_all=True, append_images=[right])
    result = sr_infer.upscale(buffer.getvalue(), network)
    assert b"MPF\0" not in result
    assert "this input: the result is without further pictures (MPF)" in caplog.text


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("bands", [4, 5, 8])
def test_extra_bands_of_tiff_are_refused(network: Path, tmp_path: Path, dtype: type, bands: int) -> None:
    source = tmp_path / "near_infrared.tif"
    tifffile.imwrite(
        source,
        np.ones((20, 24, bands), dtype),
        photometric="rgb",
        extrasamples=["unspecified"] * (bands - 3),
        planarconfig="contig",
    )
    with pytest.raises(ImageError, match=rf"{bands - 3} more bands? than colour"):
        Upscaler(network).upscale_file(source, tmp_path / "large.tif")
    assert not (tmp_path / "large.tif").exists()


def test_text_of_png_and_colour_chunks_go_together(network: Path, astronaut: np.ndarray) -> None:
    text = PngImagePlugin.PngInfo()
    text.add_text("Title", "Portrait")
    text.add(b"gAMA", COLOUR[b"gAMA"])
    Image.fromarray(astronaut[:20, :24]).save(buffer := io.BytesIO(), "PNG", pnginfo=text)
    found = png_chunks(sr_infer.upscale(buffer.getvalue(), network))
    assert (found[b"gAMA"], found[b"tEXt"]) == (COLOUR[b"gAMA"], b"Title\0Portrait")
