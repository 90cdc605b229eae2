"""A folder tree of HR pictures: find, check and read them, and keep some for validation."""

import csv
import hashlib
import io
import logging
import os
import re
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from sr_infer.errors import ImageError
from sr_infer.image_io.formats import is_picture_name

LOG = logging.getLogger(__name__)
MODES = ("1", "L", "P", "RGB", "CMYK", "YCbCr")
_IS_LR = re.compile(r"(^|_)LR(_|$)")
"""Names of folders with LR pictures, as in the layout of DIV2K and of benchmarks."""
VALIDATION_SHARE = 40
"""One source picture in this many is kept for validation."""


@dataclass(frozen=True)
class Folder:
    """Paths relative to `root`, sorted."""

    root: Path
    train: tuple[str, ...]
    validation: tuple[str, ...]
    attribution: str
    """Sets and licences that a `sources.csv` names, or nothing."""


def scan_folder(root: Path) -> Folder:
    """Find the pictures below `root` and split them.

    A picture is for validation when the SHA-1 of its source's name is a multiple of 40. The source is the file itself;
    tiles cut from larger pictures can name theirs in a `sources.csv` at the root (columns `file`, `source_file`, `set`,
    `licence`), so that no source is on both sides.

    Raises:
        ImageError: the folder does not exist or holds no picture, or its `sources.csv` lacks a column or value.
    """
    names = picture_names(root)
    rows = _read_sources(root / "sources.csv")
    train, validation = list[str](), list[str]()
    for name in names:
        source = rows[name]["source_file"] if name in rows else name
        (validation if is_validation(source) else train).append(name)
    sets = sorted({f"{rows[name]['set']}: {rows[name]['licence']}" for name in train if name in rows})
    return Folder(root, tuple(train), tuple(validation), "; ".join(sets))


def picture_names(root: Path, *, lr_too: bool = False) -> list[str]:
    """Paths below `root` with the ending of a picture format, relative to it, sorted.

    Those in folders of LR pictures, such as DIV2K_train_LR_bicubic, are left out, with a warning, unless `lr_too`.

    Raises:
        ImageError: there is none.
    """
    found = sorted(path.relative_to(root) for path in root.rglob("*") if is_picture_name(path) and path.is_file())
    names = [path.as_posix() for path in found if lr_too or not any(map(_IS_LR.search, path.parts[:-1]))]
    if len(names) < len(found):
        LOG.warning("left out %d pictures in folders of LR pictures below %s", len(found) - len(names), root)
    if not names:
        raise ImageError(f"no pictures in {root}; expected a folder tree of .png, .jpg, .tif, .webp, ...")
    return names


def is_validation(source: str) -> bool:
    return int(hashlib.sha1(os.fsencode(source)).hexdigest(), 16) % VALIDATION_SHARE == 0


def read_pictures(root: Path, names: Iterable[str], *, least_px: int) -> Iterator[NDArray[np.uint8]]:
    """The pictures as (H, W, 3) uint8 RGB, orientation applied.

    Broken ones and those with a side below `least_px` are left out, each with a warning.
    """
    for name in names:
        try:
            picture = read_pixels(root / name)
        except ImageError as error:
            LOG.warning("skipped %s: %s", name, error)
            continue
        if min(picture.shape[:2]) < least_px:
            LOG.warning("skipped %s: %dx%d is smaller than %d px", name, *picture.shape[1::-1], least_px)
            continue
        yield picture if picture.ndim == 3 else np.repeat(picture[:, :, None], 3, axis=2)


def read_pixels(path: Path) -> NDArray[np.uint8]:
    """One picture as (H, W, 3) uint8 RGB, or (H, W) if it is stored as grey; orientation applied.

    Raises:
        ImageError: it cannot be decoded, has more than 8 bits a channel, or is transparent.
    """
    try:
        with warnings.catch_warnings(), Image.open(path) as image:
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            if image.mode not in MODES or "transparency" in image.info:
                kind = "transparent" if image.mode in MODES else f"of mode {image.mode}"
                raise ImageError(
                    f"{path} is {kind}; expected 8 bits a channel, opaque ({', '.join(MODES)}); convert it"
                )
            upright = ImageOps.exif_transpose(image)
            return np.asarray(upright if upright.mode == "L" else upright.convert("RGB"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Warning) as error:
        raise ImageError(f"cannot read {path}: {error}") from error


def _read_sources(path: Path) -> dict[str, dict[str, str]]:
    if not path.is_file():
        return {}
    try:
        text = path.read_bytes().decode()
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ImageError(f"{path}, line {line}: expected UTF-8 ({error})") from error
    rows: dict[str, dict[str, str]] = {}
    reader = csv.DictReader(io.StringIO(text, newline=""))
    try:
        if missing := {"file", "source_file", "set", "licence"} - set(reader.fieldnames or ()):
            raise ImageError(f"{path} lacks the columns {', '.join(sorted(missing))}")
        for row in reader:
            if None in row or None in row.values():
                columns = len(reader.fieldnames or ())
                raise ImageError(f"{path}, line {reader.line_num}: expected {columns} values, as in the first line")
            rows[row["file"]] = row
    except csv.Error as error:
        raise ImageError(f"{path}, line {reader.line_num}: expected CSV ({error})") from error
    return rows
