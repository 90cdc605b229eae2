"""How strongly a file's encoder compressed: the quality of a JPEG, and whether a WebP is lossy. Nothing is decoded."""

from typing import NamedTuple

from PIL import Image, ImageFile

_STANDARD_LUMA_SUM = 3688
"""Sum of the 64 entries of the luma table in ITU-T T.81, table K.1, which libjpeg takes for quality 50."""


class Codec(NamedTuple):
    """What an encoder left in a file's header."""

    jpeg_quality: int | None = None
    """Quality of a JPEG, 1 to 100 as libjpeg counts it; None for other files."""
    is_lossy_webp: bool = False


NO_CODEC = Codec()


def read_codec(image: Image.Image) -> Codec:
    """Read the codec of an image as `PIL.Image.open` returns it."""
    tables: dict[int, list[int]] = getattr(image, "quantization", {}) if image.format == "JPEG" else {}
    if tables:
        return Codec(jpeg_quality=_quality(sum(tables[min(tables)])))
    if image.format == "WEBP" and isinstance(image, ImageFile.ImageFile) and image.fp is not None:
        position = image.fp.tell()
        image.fp.seek(0)
        head = image.fp.read(4096)
        image.fp.seek(position)
        return Codec(is_lossy_webp=b"VP8 " in head)
    return NO_CODEC


def _quality(luma_sum: int) -> int:
    """Inverse of libjpeg's `jpeg_quality_scaling`."""
    percent = 100 * luma_sum / _STANDARD_LUMA_SUM
    return round(min(100, max(1, 5000 / percent if percent > 100 else (200 - percent) / 2)))
