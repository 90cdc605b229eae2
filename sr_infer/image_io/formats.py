"""The image formats, one row each: extensions, what files can hold, and how they are encoded.

To add a format, add a row, and a codec if Pillow cannot do the work. Formats without a row are read when Pillow or one
of its plug-ins reads them; their results are written as PNG.
"""

from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from PIL import Image

DEFAULT_QUALITY = 95
"""Default quality of JPEG, WebP and AVIF files, 1 to 100."""

_OPAQUE, _RGB_AND_RGBA, _GREY_RGB_RGBA, _ALL = (1, 3), (3, 4), (1, 3, 4), (1, 2, 3, 4)


@dataclass(frozen=True, kw_only=True)
class Format:
    """One image format."""

    name: str
    """Name of the format in Pillow, such as "JPEG"."""
    suffixes: tuple[str, ...] = ()
    """Extensions of file names, in lower case and with the dot."""
    is_read: bool = True
    """Pillow decodes the pixels itself. For other formats it reads only the header, or starts another program."""
    channels_8_bit: tuple[int, ...] = ()
    """Channels that are written with 8 bits: 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha. Empty: never written."""
    channels_16_bit: tuple[int, ...] = ()
    """Channels that are read and written with 16 bits."""
    returned_for_bytes: bool = True
    """Bytes in this format are returned in the same format; otherwise as PNG."""
    holds_metadata: bool = False
    """Files hold an ICC profile, EXIF and XMP."""
    holds_comment: bool = False
    """Files hold a comment as a block of its own."""
    holds_png_colour: bool = False
    """Files hold the colour chunks of PNG."""
    max_metadata_bytes: int | None = None
    """Largest block of EXIF, XMP or comment; None sets no limit."""
    has_quality: bool = False
    """The encoder is lossy and takes a quality from 1 to 100."""
    save_options: tuple[tuple[str, Any], ...] = ()
    """Further arguments of Pillow's `Image.save`."""
    max_side_px: int | None = None
    """Largest side of an image; None sets no limit."""
    encoder_bytes_per_px: int = 0
    """Memory of the encoder for each pixel, measured on noise and photographs of 1.2 to 6 megapixels; 0 for encoders
    that work row by row."""
    buffered_bits: tuple[int, ...] = ()
    """Bits per channel at which the whole encoded file is held in memory before it is written."""

    @property
    def is_written(self) -> bool:
        """Results can be written in this format with the installed Pillow."""
        Image.preinit()
        if self.name not in Image.SAVE:
            Image.init()  # imports all of Pillow's codecs, which takes long
        return bool(self.channels_8_bit) and self.name in Image.SAVE

    @property
    def holds_16_bit_colour(self) -> bool:
        """Files hold RGB with 16 bits per channel."""
        return 3 in self.channels_16_bit


PNG = Format(
    name="PNG",
    suffixes=(".png", ".apng"),
    channels_8_bit=_ALL,
    channels_16_bit=_ALL,
    holds_metadata=True,
    holds_png_colour=True,
    buffered_bits=(16,),
)
JPEG = Format(
    name="JPEG",
    suffixes=(".jpg", ".jpeg", ".jfif", ".jpe"),
    channels_8_bit=_OPAQUE,
    holds_metadata=True,
    holds_comment=True,
    max_metadata_bytes=65_500,
    has_quality=True,
    save_options=(("subsampling", 0),),
    max_side_px=65_500,
)
TIFF = Format(name="TIFF", suffixes=(".tif", ".tiff"), channels_8_bit=_ALL, channels_16_bit=_ALL, holds_metadata=True)
JPEG2000 = Format(
    name="JPEG2000",
    suffixes=(".jp2", ".j2k", ".jpc", ".jpf", ".jpx", ".j2c"),
    channels_8_bit=_ALL,
    channels_16_bit=_ALL,
    holds_metadata=True,
    holds_comment=True,
    encoder_bytes_per_px=56,
    buffered_bits=(8, 16),
)
FORMATS = (
    PNG,
    JPEG,
    TIFF,
    JPEG2000,
    Format(
        name="WEBP",
        suffixes=(".webp",),
        channels_8_bit=_GREY_RGB_RGBA,
        holds_metadata=True,
        has_quality=True,
        max_side_px=16_383,
        encoder_bytes_per_px=30,
    ),
    Format(
        name="AVIF",
        suffixes=(".avif", ".avifs"),
        channels_8_bit=_GREY_RGB_RGBA,
        holds_metadata=True,
        has_quality=True,
        max_side_px=32_768,  # the format allows more, but common readers refuse it
        encoder_bytes_per_px=46,
    ),
    Format(name="BMP", suffixes=(".bmp",), channels_8_bit=_OPAQUE),
    Format(
        name="PPM",
        suffixes=(".ppm", ".pgm", ".pbm", ".pnm", ".pfm"),
        channels_8_bit=_OPAQUE,
        channels_16_bit=(1,),
    ),
    Format(
        name="TGA",
        suffixes=(".tga", ".icb", ".vda", ".vst"),
        channels_8_bit=_ALL,
        returned_for_bytes=False,
        max_side_px=65_535,
    ),
    Format(name="PCX", suffixes=(".pcx",), channels_8_bit=_OPAQUE, returned_for_bytes=False, max_side_px=65_534),
    Format(name="QOI", suffixes=(".qoi",), channels_8_bit=_RGB_AND_RGBA, returned_for_bytes=False),
    Format(
        name="SGI",
        suffixes=(".sgi", ".bw", ".rgb", ".rgba"),
        channels_8_bit=_GREY_RGB_RGBA,
        returned_for_bytes=False,
        max_side_px=65_535,
    ),
    Format(name="DDS", suffixes=(".dds",), channels_8_bit=_ALL, returned_for_bytes=False),
    Format(name="EPS", suffixes=(".eps", ".ps"), is_read=False),
    Format(name="WMF", suffixes=(".wmf", ".emf"), is_read=False),
    Format(name="HDF5", suffixes=(".h5", ".hdf"), is_read=False),
    Format(name="GRIB", suffixes=(".grib",), is_read=False),
    Format(name="BUFR", suffixes=(".bufr",), is_read=False),
    Format(name="MPEG", suffixes=(".mpg", ".mpeg"), is_read=False),
)
"""Formats with rules of their own. Formats that are missing here lose colours (GIF) or pixels (ICO) when written."""

_BY_NAME = {row.name: row for row in FORMATS} | {"MPO": JPEG}  # a JPEG file with further images after the first
_BY_SUFFIX = {suffix: row for row in FORMATS for suffix in row.suffixes}


def by_name(name: str | None) -> Format:
    """The format with a name of Pillow's; one that is only read if there is no row for it."""
    return _BY_NAME.get(name or "", Format(name=name or "unknown"))


def by_suffix(path: PurePath) -> Format | None:
    """The format that the extension of a file name stands for; None for an unknown extension."""
    suffix = path.suffix.lower()
    if suffix in _BY_SUFFIX:
        return _BY_SUFFIX[suffix]
    name = Image.registered_extensions().get(suffix)
    return None if name is None else Format(name=name, suffixes=(suffix,))


def is_picture_name(path: PurePath) -> bool:
    """Whether a file name has the extension of a format that can be read."""
    found = by_suffix(path)
    if found is None or not found.is_read:
        return False
    Image.init()
    return found.name in Image.OPEN


def returned_format(of_input: Format) -> Format:
    """The format in which encoded bytes are returned: their own, or PNG."""
    return of_input if of_input.returned_for_bytes and of_input.is_written else PNG
