"""JPEG 2000 files keep what Pillow does not write into them. Boxes are laid and looked for by hand here."""

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms

import sr_infer
from sr_infer import Upscaler

PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:ImageWidth="128"/></x:xmpmeta>'
XMP_UUID = bytes.fromhex("BE7ACFCB97A942E89C71999491E3AFAC")


def tags(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Camera works"
    exif[ExifTags.Base.Orientation] = orientation
    return exif


def foreign(astronaut: np.ndarray) -> bytes:
    """A file as others write it: any profile, uuid boxes before the pixels, one of them with a long length."""
    Image.fromarray(astronaut).save(buffer := io.BytesIO(), "JPEG2000")
    data = buffer.getvalue()
    colour = data.index(b"colr") - 4
    exif = b"JpgTiffExif->JP2" + tags(6).tobytes().removeprefix(b"Exif\0\0")
    header_at = data.index(b"jp2h") - 4
    pixels_at = data.index(b"jp2c") - 4
    header = data[header_at + 8 : colour] + struct.pack(">I4s3B", 11 + len(PROFILE), b"colr", 3, 0, 0) + PROFILE
    return (
        data[:header_at]
        + struct.pack(">I4s", 8 + len(header), b"jp2h")
        + header
        + struct.pack(">I4sQ", 1, b"uuid", 16 + len(exif))
        + exif
        + struct.pack(">I4s", 8 + 16 + len(XMP), b"uuid")
        + XMP_UUID
        + XMP
        + data[pixels_at:]
    )


def test_profile_exif_xmp_and_resolution_go_through_jpeg_2000(
    network: Path, astronaut: np.ndarray, tmp_path: Path
) -> None:
    photo, through, back = tmp_path / "photo.jpg", tmp_path / "large.jp2", tmp_path / "back.jpg"
    Image.fromarray(astronaut).save(photo, exif=tags(1), icc_profile=PROFILE, xmp=XMP, dpi=(300, 72))
    upscaler = Upscaler(network)
    upscaler.upscale_file(photo, through)
    with Image.open(through) as large:
        assert large.info["dpi"] == pytest.approx((300, 72), rel=1e-4)
    data = through.read_bytes()
    assert PROFILE in data[: data.index(b"jp2c")]
    exif = data.index(b"JpgTiffExif->JP2")
    assert data[exif - 4 : exif] == b"uuid"
    assert data[exif + 16 : exif + 18] in (b"MM", b"II")
    (length,) = struct.unpack(">I", data[exif - 8 : exif - 4])
    assert data.index(XMP_UUID) == exif - 8 + length + 8
    assert b'tiff:ImageWidth="320"' in data[data.index(XMP_UUID) :]
    upscaler.upscale_file(through, back)
    with Image.open(back) as image:
        assert image.info["icc_profile"] == PROFILE
        assert image.getexif()[ExifTags.Base.Make] == "Camera works"
        assert b'tiff:ImageWidth="640"' in image.info["xmp"]


def test_boxes_of_other_writers_are_read(network: Path, astronaut: np.ndarray, tmp_path: Path) -> None:
    data = foreign(astronaut)
    turned = Image.fromarray(astronaut).transpose(Image.Transpose.ROTATE_270)
    large = Image.open(io.BytesIO(sr_infer.upscale(data, network)))
    assert large.size == (256, 320)
    np.testing.assert_array_equal(np.asarray(large), np.asarray(sr_infer.upscale(turned, network)))
    picture = sr_infer.image_io.reader.read(data)
    assert picture.metadata.icc_profile == PROFILE
    assert picture.metadata.xmp == XMP
    assert b"Camera works" in (picture.metadata.exif or b"")


def test_cut_off_files_are_refused(network: Path, astronaut: np.ndarray) -> None:
    data = foreign(astronaut)
    for length in range(0, data.index(b"jp2c"), 40):
        with pytest.raises(sr_infer.ImageError):
            sr_infer.upscale(data[:length], network)
