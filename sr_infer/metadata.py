"""What a picture file carries beside its pixels: ICC profile, EXIF, XMP, resolution, PNG text."""

import re
from dataclasses import dataclass, field, replace
from typing import Any, Self

from PIL import ExifTags, Image, PngImagePlugin, TiffImagePlugin

_ORIENTATION = ExifTags.Base.Orientation
_DESCRIPTIVE_TIFF_TAGS = frozenset(
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
        ExifTags.IFD.Exif,
        ExifTags.IFD.GPSInfo,
    }
)
"""Of a TIFF's main directory, what describes the picture and not how the file stores it."""
_XMP_TEXT_KEY = "XML:com.adobe.xmp"
_MAX_JPEG_SEGMENT = 65_500


@dataclass(frozen=True, kw_only=True)
class Metadata:
    """As read from the file, but for the orientation, which is applied to the pixels and taken out."""

    icc_profile: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None
    text: tuple[tuple[str, str], ...] = field(default=())
    """PNG text, keyword and value."""

    @classmethod
    def of(cls, image: Image.Image) -> Self:
        """All that Pillow knows of a loaded picture."""
        info = image.info
        exif = image.getexif()
        if isinstance(image, TiffImagePlugin.TiffImageFile):
            for tag in set(exif) - _DESCRIPTIVE_TIFF_TAGS:
                del exif[tag]
        exif.pop(_ORIENTATION, None)
        xmp = info.get("xmp")
        if xmp is None and _XMP_TEXT_KEY in info:
            xmp = info[_XMP_TEXT_KEY].encode()
        dpi = info.get("dpi")
        text: dict[str, str] = image.text if isinstance(image, PngImagePlugin.PngImageFile) else {}
        return cls(
            icc_profile=info.get("icc_profile") or None,
            exif=exif.tobytes() if exif else None,
            xmp=None if xmp is None else _without_orientation(xmp),
            dpi=(float(dpi[0]), float(dpi[1])) if dpi else None,
            text=tuple(
                (key, value) for key, value in text.items() if key not in (_XMP_TEXT_KEY, "Raw profile type exif")
            ),
        )

    def for_size(self, size_hw: tuple[int, int]) -> Self:
        """The same with the pixel-size tags of EXIF and XMP set to a new size."""
        height, width = size_hw
        exif = None
        if self.exif is not None:
            rewritten = Image.Exif()
            rewritten.load(self.exif)
            for tags in (rewritten, rewritten.get_ifd(ExifTags.IFD.Exif)):
                for tag, value in (
                    (ExifTags.Base.ImageWidth, width),
                    (ExifTags.Base.ImageLength, height),
                    (ExifTags.Base.ExifImageWidth, width),
                    (ExifTags.Base.ExifImageHeight, height),
                ):
                    if tag in tags:
                        tags[tag] = value
            exif = rewritten.tobytes()
        xmp = self.xmp
        if xmp is not None:
            for names, value in (
                (rb"(?:tiff:ImageWidth|exif:PixelXDimension)", width),
                (rb"(?:tiff:ImageLength|exif:PixelYDimension)", height),
            ):
                xmp = re.sub(rb"(" + names + rb'(?:="|>))[0-9]+', rb"\g<1>%d" % value, xmp)
        return replace(self, exif=exif, xmp=xmp)

    def info(self) -> dict[str, Any]:
        """As Pillow keeps it in `Image.info`."""
        values = {"icc_profile": self.icc_profile, "exif": self.exif, "xmp": self.xmp, "dpi": self.dpi}
        return {key: value for key, value in values.items() if value is not None}

    def save_options(self, file_format: str) -> dict[str, Any]:
        """Arguments of `Image.save` that write this into a file of one of Pillow's formats."""
        options: dict[str, Any] = {}
        if self.icc_profile is not None:
            options["icc_profile"] = self.icc_profile
        if self.dpi is not None:
            options["dpi"] = self.dpi
        if self.exif is not None:
            if file_format == "TIFF":
                options["exif"] = Image.Exif()
                options["exif"].load(self.exif)
            elif file_format != "JPEG" or len(self.exif) < _MAX_JPEG_SEGMENT:
                options["exif"] = self.exif
        if self.xmp is not None and (file_format != "JPEG" or len(self.xmp) < _MAX_JPEG_SEGMENT):
            options["xmp"] = self.xmp
        if file_format == "PNG":
            options.pop("xmp", None)
            options["pnginfo"] = self._png_text()
        if file_format == "TIFF" and self.xmp is not None:
            options["tiffinfo"] = {700: options.pop("xmp")}
        return options

    def _png_text(self) -> PngImagePlugin.PngInfo:
        info = PngImagePlugin.PngInfo()
        for key, value in self.text:
            info.add_text(key, value)
        if self.xmp is not None:
            info.add_itxt(_XMP_TEXT_KEY, self.xmp.decode("utf-8", "replace"))
        return info


def orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 to 8; 1 where there is none or an impossible one."""
    value = image.getexif().get(_ORIENTATION, 1)
    return value if value in range(1, 9) else 1


def _without_orientation(xmp: bytes | str) -> bytes:
    xmp = xmp.encode() if isinstance(xmp, str) else xmp
    return re.sub(rb'tiff:Orientation="[0-9]"|<tiff:Orientation>[0-9]</tiff:Orientation>', b"", xmp)
