"""The table of formats says what Pillow and our codecs really do."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sr_infer import OutputError, folders
from sr_infer.image_io import formats, reader, writer
from sr_infer.image_io.formats import FORMATS, Format
from sr_infer.image_io.metadata import Metadata

WRITTEN = [row for row in FORMATS if row.is_written]


def test_extensions_are_those_of_pillow() -> None:
    registered = Image.registered_extensions()
    for row in FORMATS:
        for suffix in row.suffixes:
            assert registered.get(suffix, row.name) == row.name
        if row.name in registered.values():
            assert set(row.suffixes) == {suffix for suffix, name in registered.items() if name == row.name}


@pytest.mark.parametrize("row", WRITTEN, ids=lambda row: row.name)
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_files_hold_what_the_table_says(row: Format, channels: int, dtype: type[np.generic]) -> None:
    pixels = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, (12, 17, channels), dtype)
    if channels not in (row.channels_8_bit if dtype == np.uint8 else row.channels_16_bit):
        with pytest.raises(OutputError, match=f"{row.name} files cannot hold"):
            writer.encode(pixels, row, Metadata())
        return
    written = reader.read(writer.encode(pixels, row, Metadata()))
    assert written.pixels.shape[:2] == (12, 17)
    assert written.dtype == dtype
    assert written.channels in (channels, 3 if channels == 1 else channels)  # WebP stores grey as RGB
    if not row.has_quality and written.channels == channels:
        np.testing.assert_array_equal(written.pixels, pixels)


@pytest.mark.parametrize("row", [row for row in WRITTEN if len(row.channels_8_bit) < 4], ids=lambda row: row.name)
def test_pillow_holds_no_more_than_the_table_says(row: Format) -> None:
    """Otherwise the table would refuse images for nothing."""
    for channels, mode in ((1, "L"), (2, "LA"), (3, "RGB"), (4, "RGBA")):
        if channels in row.channels_8_bit:
            continue
        buffer = io.BytesIO()
        try:
            Image.new(mode, (5, 5)).save(buffer, row.name)
            kept = reader.read(buffer.getvalue()).channels
        except (OSError, ValueError):
            continue
        assert kept != channels


@pytest.mark.parametrize(
    ("name", "result"),
    [
        ("a.tga", "a.tga"),
        ("a.pcx", "a.pcx"),
        ("a.JPG", "a.JPG"),
        ("a.gif", "a.png"),
        ("a.ico", "a.png"),
        ("a.psd", "a.png"),
        ("a.mpo", "a.png"),
        ("a.dib", "a.png"),
    ],
)
def test_folders_write_every_format_that_can_be_written_and_png_for_others(name: str, result: str) -> None:
    assert folders.renamed(Path(name), "", None) == Path(result)
    assert writer.format_of_path(Path(result)).is_written


def test_names_of_images() -> None:
    for name in ("a.jpg", "a.PNG", "a.psd", "a.gif", "a.jp2"):
        assert formats.is_picture_name(Path(name))
    for name in ("a.eps", "a.h5", "a.pdf", "a.txt", "a", "a.mpg"):
        assert not formats.is_picture_name(Path(name))
