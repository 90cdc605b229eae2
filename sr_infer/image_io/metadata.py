"""The metadata of an image file: ICC profile, EXIF, XMP, resolution, PNG text and comment."""

import logging
import re
from dataclasses import dataclass, field, replace
from typing import Any, Self

from PIL import ExifTags, Image, PngImagePlugin, TiffImagePlugin

from sr_infer.image_io import png_chunks
from sr_infer.image_io.formats import PNG, Format

_log = logging.getLogger(__name__)

_ORIENTATION = ExifTags.Base.Orientation
DIRECTORIES = (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo)
"""Tags whose values are directories of tags."""
DESCRIPTIVE_TIFF_TAGS = frozenset(
    {
        270,
        271,
        272,
        305,
        306,
        315,
        316,
        33432,
        40091,
        40092,
        40093,
        40094,
        40095,
        *DIRECTORIES,
    }
)
"""Tags of a TIFF's main directory that describe the image, not how the file stores it."""
_TELLS_THE_SHAPE = ('{"shape"', "ImageJ=", "<?xml")
"""First characters of descriptions in which tifffile, ImageJ and OME store the size of the LR image."""
_TIFF_XMP = 700
_XMP_TEXT_KEY = "XML:com.adobe.xmp"
_ANY_NAME = rb"[\w.-]+"
_XMP_OF_OTHER_PARTS = (
    (b"http://ns.google.com/photos/1.0/container/", _ANY_NAME),
    (b"http://ns.google.com/photos/1.0/container/item/", _ANY_NAME),
    (b"http://ns.google.com/photos/1.0/camera/", rb"(?:MotionPhoto|MicroVideo)[\w.-]*"),
    (b"http://ns.google.com/photos/1.0/depthmap/", _ANY_NAME),
    (b"http://ns.google.com/photos/1.0/image/", _ANY_NAME),
    (b"http://ns.adobe.com/hdr-gain-map/1.0/", _ANY_NAME),
    (b"http://ns.apple.com/HDRGainMap/1.0/", _ANY_NAME),
    (b"http://ns.adobe.com/xmp/note/", rb"HasExtendedXMP"),
)
"""Namespaces and names of XMP properties that describe gain maps, videos and other parts beside the picture."""
_COMMENT = "Comment"
"""Keyword of PNG text that means the same as a JPEG comment."""
_MAX_DPI = 100_000
"""Largest plausible resolution; writers fail on larger ones."""


@dataclass(frozen=True, kw_only=True)
class Metadata:
    """Metadata as read from a file, without the orientation, which is applied to the pixels instead."""

    icc_profile: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None
    text: tuple[tuple[str, str], ...] = field(default=())
    """Keywords and values of PNG text."""
    comment: bytes | None = None
    """Comment of a JPEG or GIF file."""
    png_colour: png_chunks.ColourChunks = ()
    """Colour chunks of a PNG file."""

    @classmethod
    def of(cls, image: Image.Image) -> Self:
        """Collect the metadata that Pillow knows of an image."""
        info = image.info
        xmp = info.get("xmp")
        if xmp is None and _XMP_TEXT_KEY in info:
            xmp = info[_XMP_TEXT_KEY].encode()
        dpi = info.get("dpi") if isinstance(info.get("dpi"), tuple) else None
        text: dict[str, str] = image.text if isinstance(image, PngImagePlugin.PngImageFile) else {}
        comment = info.get("comment") or text.get(_COMMENT)
        return cls(
            icc_profile=info.get("icc_profile") or None,
            exif=_usable_exif(image),
            xmp=None if xmp is None else _still_true(xmp),
            dpi=(float(dpi[0]), float(dpi[1])) if dpi and all(0 < value <= _MAX_DPI for value in dpi) else None,
            text=tuple(
                (key, value)
                for key, value in text.items()
                if key not in (_XMP_TEXT_KEY, "Raw profile type exif", _COMMENT)
            ),
            comment=comment.encode() if isinstance(comment, str) else comment,
            png_colour=info.get(png_chunks.INFO_KEY, ()),
        )

    def for_size(self, size_hw: tuple[int, ...]) -> Self:
        """A copy whose size tags of EXIF and XMP hold a new size (height, width) in px."""
        height, width = size_hw
        exif = None if self.exif is None else _set_size(self.exif, width, height)
        xmp = self.xmp
        if xmp is not None:
            for names, value in (
                (rb"(?:tiff:ImageWidth|exif:PixelXDimension)", width),
                (rb"(?:tiff:ImageLength|exif:PixelYDimension)", height),
            ):
                xmp = re.sub(rb"(" + names + rb'(?:="|>))[0-9]+', rb"\g<1>%d" % value, xmp)
        return replace(self, exif=exif, xmp=xmp)

    def info(self) -> dict[str, Any]:
        """The metadata as Pillow keeps it in `Image.info`."""
        values = {"icc_profile": self.icc_profile, "exif": self.exif, "xmp": self.xmp, "dpi": self.dpi}
        return {key: value for key, value in values.items() if value is not None}

    def save_options(self, file_format: Format) -> dict[str, Any]:
        """Arguments of Pillow's `Image.save` that write this metadata into a file; logs what the format cannot hold."""
        options: dict[str, Any] = {}
        beside = {"ICC profile": self.icc_profile, "EXIF": self.exif, "XMP": self.xmp}
        lost = [what for what, data in beside.items() if data is not None]
        if lost and not file_format.holds_metadata:
            _log.warning("%s files are written without %s; PNG and TIFF hold all", file_format.name, ", ".join(lost))
        if self.icc_profile is not None:
            options["icc_profile"] = self.icc_profile
        if self.dpi is not None:
            options["dpi"] = self.dpi
        if self.exif is not None and _fits("EXIF", self.exif, file_format):
            options["exif"] = self.exif
        if file_format == PNG:
            options["pnginfo"] = self._png_text()
        elif self.xmp is not None and _fits("XMP", self.xmp, file_format):
            options["xmp"] = self.xmp
        if file_format.holds_comment and self.comment is not None and _fits("comment", self.comment, file_format):
            options["comment"] = self.comment
        return options

    def log_lost_colour(self, file_format: Format) -> None:
        """Log the colour chunks of a PNG file that a result in this format cannot hold."""
        if self.png_colour and not file_format.holds_png_colour:
            names = ", ".join(kind.decode() for kind, _ in self.png_colour)
            _log.warning("%s files are written without the PNG chunks %s; PNG holds them", file_format.name, names)

    def tiff_tags(self) -> Image.Exif:
        """The tags of a TIFF's main directory that describe the image."""
        tags = Image.Exif()
        if self.exif is not None:
            tags.load(self.exif)
            for tag in set(tags) - DESCRIPTIVE_TIFF_TAGS:
                del tags[tag]
        if self.xmp is not None:
            tags[_TIFF_XMP] = self.xmp
        return tags

    def _png_text(self) -> PngImagePlugin.PngInfo:
        info = PngImagePlugin.PngInfo()
        for key, value in self.text:
            info.add_text(key, value)
        if self.xmp is not None:
            info.add_itxt(_XMP_TEXT_KEY, self.xmp.decode("utf-8", "replace"))
        if self.comment is not None:
            info.add_text(_COMMENT, self.comment.decode("utf-8", "replace"))
        return info


def orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 to 8; 1 if it is missing or impossible."""
    try:
        value = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # damaged EXIF; `_usable_exif` logs it
        return 1
    return value if value in range(1, 9) else 1


def _usable_exif(image: Image.Image) -> bytes | None:
    """Rewrite the EXIF data that still hold; None, with a warning, if they are damaged."""
    try:
        exif = _descriptive(image)
        return _set_size(exif.tobytes(), *image.size) if exif else None
    except Exception as error:  # Pillow may raise anything on damaged data
        _log.warning("damaged EXIF data are left out (%s: %s)", type(error).__name__, error)
        return None


def _set_size(exif: bytes, width: int, height: int) -> bytes:
    """Set the size tags that exist in EXIF data to a new size."""
    rewritten = Image.Exif()
    rewritten.load(exif)
    for tags in (rewritten, rewritten.get_ifd(ExifTags.IFD.Exif)):
        for tag, value in (
            (ExifTags.Base.ImageWidth, width),
            (ExifTags.Base.ImageLength, height),
            (ExifTags.Base.ExifImageWidth, width),
            (ExifTags.Base.ExifImageHeight, height),
        ):
            if tag in tags:
                tags[tag] = value
    return rewritten.tobytes()


def _descriptive(image: Image.Image) -> Image.Exif:
    """Copy the EXIF tags that still hold for the upright image in a new file."""
    source, copy = image.getexif(), Image.Exif()
    is_tiff = isinstance(image, TiffImagePlugin.TiffImageFile)
    for tag, value in source.items():
        if is_tiff and (tag not in DESCRIPTIVE_TIFF_TAGS or str(value).startswith(_TELLS_THE_SHAPE)):
            continue
        if tag != _ORIENTATION and tag not in DIRECTORIES:
            copy[tag] = value
    for tag in DIRECTORIES:
        if directory := source.get_ifd(tag):
            copy[tag] = {key: value for key, value in directory.items() if key != ExifTags.IFD.Interop}
    return copy


def _still_true(xmp: bytes | str) -> bytes:
    """Remove the orientation, and all that speaks of parts of the file that a result does not have."""
    xmp = xmp.encode() if isinstance(xmp, str) else xmp
    xmp = re.sub(rb'tiff:Orientation="[0-9]"|<tiff:Orientation>[0-9]</tiff:Orientation>', b"", xmp)
    for namespace, names in _XMP_OF_OTHER_PARTS:
        for declaration in set(re.findall(rb"xmlns:[\w.-]+\s*=\s*[\"']" + re.escape(namespace) + rb"[\"']", xmp)):
            prefix = re.escape(declaration[len(b"xmlns:") :].partition(b"=")[0].strip())
            name = prefix + rb":" + names
            xmp = re.sub(rb"<(" + name + rb")(?:\s[^<>]*)?(?<!/)>.*?</\1\s*>", b"", xmp, flags=re.DOTALL)
            xmp = re.sub(rb"<" + name + rb"(?:\s[^<>]*)?/>", b"", xmp)
            xmp = re.sub(rb"\s" + name + rb"\s*=\s*(?:\"[^\"]*\"|'[^']*')", b"", xmp)
            if not re.search(rb"[<\s/]" + prefix + rb":", xmp):
                xmp = re.sub(rb"\s" + re.escape(declaration), b"", xmp)
    return xmp


def _fits(what: str, data: bytes, file_format: Format) -> bool:
    """Whether a file of this format can hold a block of metadata; logs a warning if not."""
    limit = file_format.max_metadata_bytes
    if limit is None or len(data) <= limit:
        return True
    _log.warning(
        "%s of %d bytes is left out: %s files hold at most %d; PNG, TIFF and WebP hold all",
        what,
        len(data),
        file_format.name,
        limit,
    )
    return False
