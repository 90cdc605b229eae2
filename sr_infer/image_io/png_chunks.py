"""The colour chunks of PNG files (PNG, third edition, section 11.3.2), kept byte by byte. Pillow drops some of them."""

import struct
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO, cast

from PIL import Image

COLOUR_CHUNKS = (b"cICP", b"mDCV", b"cLLI", b"gAMA", b"cHRM", b"sRGB")
HEADER_BYTES = 8 + 25
"""Length of a PNG file's signature and IHDR chunk."""
INFO_KEY = "sr_infer_png_colour"
"""Key of `Image.info` under which `read_into_info` stores the chunks."""

ColourChunks = tuple[tuple[bytes, bytes], ...]
"""Type and content of each chunk, in the order of the file."""


def read_into_info(image: Image.Image, file: BinaryIO) -> None:
    """Store the colour chunks of a PNG file in `image.info`; the position of the file does not change."""
    position = file.tell()
    found = []
    for kind, length in chunks(file):
        if kind == b"IDAT":
            break
        if kind in COLOUR_CHUNKS:
            found.append((kind, file.read(length)))
    file.seek(position)
    image.info[INFO_KEY] = tuple(found)


def chunks(file: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """Yield type and length of each complete chunk header; the file then stands at the chunk's content."""
    start = 8
    while True:
        file.seek(start)
        header = file.read(8)
        if len(header) < 8:
            return
        length, kind = struct.unpack(">I4s", header)
        yield kind, length
        start += 12 + length


def insert_colour(file: BinaryIO, colour: ColourChunks) -> BinaryIO:
    """A file to which Pillow writes a PNG image; the colour chunks follow its header."""
    return cast(BinaryIO, _FileWithChunks(file, colour)) if colour else file


class _FileWithChunks:
    """The methods of a file that Pillow's writer of PNG calls."""

    def __init__(self, file: BinaryIO, colour: ColourChunks) -> None:
        self._file = file
        self._chunks = b"".join(
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
            for kind, data in colour
        )
        self._header_left = HEADER_BYTES

    def write(self, data: Any) -> int:
        if self._header_left and len(data) >= self._header_left:
            self._file.write(data[: self._header_left])
            self._file.write(self._chunks)
            self._file.write(data[self._header_left :])
            self._header_left = 0
        else:
            self._file.write(data)
            self._header_left = max(self._header_left - len(data), 0)
        return len(data)

    def flush(self) -> None:
        self._file.flush()
