"""Measurements on the exported file: the 8-bit halo, bytes per pixel, quality."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sr_infer.colour import to_network
from sr_infer.engine.session import Session
from sr_infer.errors import ImageError, OptionError
from sr_infer.measure import network_case, peak_memory
from sr_infer.model_card import Quality
from training.evaluate import Upscale, evaluate, mean_score, through_rgb

Pixels = NDArray[np.uint8]

HALOS_PX = (0, 2, 4, 6, 8, 10, 12, 16, 20, 24, 32)
"""Halos that are tried, in this order. If none is enough, the receptive field is taken."""
CHANGED_SHARE = 1e-3
"""Share of the values that may be 1 level off. This margin keeps other photographs within 1 level too. Int8 files round
differently in every window, so all of their values may be off; other photographs are then within 2 levels."""
BORDER_EXCESS = 1.1
"""Limit for int8 networks with channel attention. They round differently all over a tile, by several levels at sharp
detail, with any halo below their receptive field, which is wider than a tile. So differences near borders are compared
with differences elsewhere."""
TILE_PX = 64
FLAT_INSIDE_PX = 20
FLAT_COLOURS = (
    *((grey, grey, grey) for grey in (0, 64, 128, 192, 255)),
    *((255, 0, 0), (0, 255, 0), (0, 0, 255), (0, 255, 255), (255, 0, 255), (255, 255, 0)),
)
MEMORY_PROBE_PX = 256
INPUT_BYTES_PER_PX = 3 * 4
"""Three channels of float32."""


def photographs() -> list[Pixels]:
    """Photographs to measure on, (H, W, 3) uint8 RGB."""
    from skimage import data

    pictures: list[Pixels] = [data.astronaut(), data.coffee(), data.chelsea()]  # type: ignore[no-untyped-call]
    return pictures


def halo_8bit_px(session: Session, pictures: Sequence[Pixels], *, halo_px: int) -> int:
    """The smallest halo at which tiles of 64 px change few 8-bit values, and none by more than 1.

    Networks that pool over the image get the whole image's averages in every tile. In int8 many values may change; with
    channel attention they may change by any number of levels, but not more near borders than elsewhere.

    Args:
        session: the exported file.
        pictures: (H, W, 3) uint8 RGB, used as LR pictures; their middle 192x192 px are taken.
        halo_px: the receptive-field radius, returned if no smaller halo is enough.
    """
    card = session.card
    share = 1.0 if card.precision == "int8" else CHANGED_SHARE
    wholes = [_whole(session, middle(picture, 3 * TILE_PX)) for picture in pictures]
    borders = [card.scale * TILE_PX, card.scale * 2 * TILE_PX]

    def is_enough(difference: NDArray[np.int16]) -> bool:
        if card.precision == "int8" and card.global_pooling:
            return border_excess(difference, borders, near_px=card.scale) <= BORDER_EXCESS
        return bool(difference.max() <= 1 and np.mean(difference > 0) <= share)

    multiple = card.multiple_of_px
    for halo in (halo for halo in HALOS_PX if halo < halo_px and halo % multiple == 0):
        if all(is_enough(_tile_difference(session, whole, halo)) for whole in wholes):
            return halo
    return halo_px


def border_excess(difference: NDArray[np.int16], borders: Sequence[int], *, near_px: int) -> float:
    """Root mean square of a difference near tile borders, divided by that elsewhere; 1 if there is no difference.

    Args:
        difference: (S, S, 3) of a picture made of tiles to one made at once.
        borders: first rows, and columns, of tiles but the first.
        near_px: how many rows and columns on each side are near.
    """
    if not difference.any():
        return 1.0
    places = np.arange(len(difference)) + 0.5
    near = (np.abs(places[:, None] - np.array(borders)) < near_px).any(axis=1)
    is_near = near[:, None] | near
    squares = np.square(difference, dtype=np.float64)
    return float(np.sqrt(squares[is_near].mean() / squares[~is_near].mean()))


@dataclass(frozen=True)
class TileEquality:
    """The difference between an image made of tiles and the same image made at once."""

    largest_levels: int
    """In 8-bit levels."""
    changed_share: float
    """Of the values."""
    psnr_db: float
    """Infinite where the images are equal."""


def tile_equality(session: Session) -> dict[int, TileEquality]:
    """Compare tiles of 64 px with the whole, for both halos of the card, on a photograph that chose neither halo."""
    from skimage import data

    picture: Pixels = data.rocket()  # type: ignore[no-untyped-call]
    whole = _whole(session, middle(picture, 3 * TILE_PX))
    halos = sorted({session.card.halo_8bit_px or 0, session.card.halo_px})
    differences = {halo: _tile_difference(session, whole, halo) for halo in halos}
    return {halo: _equality(difference) for halo, difference in differences.items()}


def _equality(difference: NDArray[np.int16]) -> TileEquality:
    error = float(np.mean(np.square(difference, dtype=np.float64)))
    psnr_db = 10 * np.log10(255**2 / error) if error else np.inf
    return TileEquality(int(difference.max()), float(np.mean(difference > 0)), float(psnr_db))


def flat_levels(session: Session) -> dict[str, int]:
    """How many 8-bit levels pictures of one colour stray at most, `inside` and at the `border`.

    "Inside" is 20 px and more from the border. The colours are black, white, three greys and six primaries.
    """
    card = session.card
    far = slice(FLAT_INSIDE_PX * card.scale, -FLAT_INSIDE_PX * card.scale)
    side_px = -(-max(TILE_PX, card.min_size_px) // card.multiple_of_px) * card.multiple_of_px
    strays = {"inside": 0, "border": 0}
    for colour in FLAT_COLOURS:
        lr = np.full((side_px, side_px, 3), colour, np.uint8)
        exact = np.rint(_batch(session, lr)[0, :, 0, 0] * (255 / card.value_range)).astype(np.int16)
        stray = np.abs(levels(session, lr).astype(np.int16) - exact)
        strays["inside"] = max(strays["inside"], int(stray[far, far].max()))
        strays["border"] = max(strays["border"], int(stray.max()))
    return strays


def bytes_per_px(path: Path, *, side_px: int = MEMORY_PROBE_PX) -> float:
    """Peak memory of one network run per LR pixel, on a square, in a process of its own.

    A small window may fit into memory that is free after loading; the result is at least the bytes of the input.
    """
    peak = peak_memory(network_case, str(path), side_px)
    return max(round(peak.added_by_call_bytes / side_px**2, 1), INPUT_BYTES_PER_PX)


def quality(upscale: Upscale, folders: Sequence[Path], *, scale: int) -> dict[str, Quality]:
    """Luma PSNR and SSIM on benchmark folders, by folder name.

    Args:
        upscale: (h, w, 3) uint8 to (scale h, scale w, 3) uint8.
        folders: as `training.evaluate` takes them.
        scale: of the network.

    Raises:
        OptionError: two folders have the same name.
        ImageError: a folder does not exist or holds no image.
    """
    figures: dict[str, Quality] = {}
    for name, folder in by_name(folders).items():
        mean = mean_score(evaluate(through_rgb(upscale), folder, scale))
        figures[name] = Quality(psnr_y=round(mean.psnr_y, 3), ssim_y=round(mean.ssim_y, 4))
    return figures


def by_name(folders: Sequence[Path]) -> dict[str, Path]:
    """Name the benchmark folders as the card does.

    Raises:
        OptionError: two folders have the same name.
        ImageError: a folder does not exist.
    """
    named: dict[str, Path] = {}
    for folder in folders:
        name = folder.resolve().name
        if name in named:
            raise OptionError(f"expected benchmark folders with different names, got another {name}: {folder}")
        if not folder.is_dir():
            raise ImageError(f"expected a benchmark folder, found none at {folder}")
        named[name] = folder
    return named


@dataclass(frozen=True)
class _Whole:
    """An image that ran through the network in one piece."""

    lr: Pixels
    averages: NDArray[np.float32] | None
    sr: Pixels


def _whole(session: Session, lr: Pixels) -> _Whole:
    averages = session.pooled_statistics(_batch(session, lr)) if session.takes_pooled_statistics else None
    return _Whole(lr, averages, levels(session, lr, averages))


def _tile_difference(session: Session, whole: _Whole, halo: int) -> NDArray[np.int16]:
    scale = session.card.scale
    difference = np.zeros(whole.sr.shape, np.int16)
    for top in range(0, whole.lr.shape[0], TILE_PX):
        for left in range(0, whole.lr.shape[1], TILE_PX):
            first_row, first_column = max(top - halo, 0), max(left - halo, 0)
            window = whole.lr[first_row : top + TILE_PX + halo, first_column : left + TILE_PX + halo]
            rows = slice((top - first_row) * scale, (top - first_row + TILE_PX) * scale)
            columns = slice((left - first_column) * scale, (left - first_column + TILE_PX) * scale)
            tile = levels(session, window, whole.averages)[rows, columns].astype(np.int16)
            there = slice(top * scale, (top + TILE_PX) * scale), slice(left * scale, (left + TILE_PX) * scale)
            difference[there] = np.abs(tile - whole.sr[there])
    return difference


def levels(session: Session, lr: Pixels, averages: NDArray[np.float32] | None = None) -> Pixels:
    """Run the file on a whole image, (H, W, 3) uint8 to (scale H, scale W, 3) uint8, or 1 of luma."""
    sr = session.run(_batch(session, lr), averages)[0].transpose(1, 2, 0) * (255 / session.card.value_range)
    levels: Pixels = np.clip(np.rint(sr), 0, 255).astype(np.uint8)
    return levels


def _batch(session: Session, lr: Pixels) -> NDArray[np.float32]:
    return to_network(lr, luma_only=session.card.colour == "Y", value_range=session.card.value_range)[None]


def middle(picture: Pixels, side_px: int) -> Pixels:
    """The square in the middle of a picture."""
    top, left = ((side - side_px) // 2 for side in picture.shape[:2])
    return picture[top : top + side_px, left : left + side_px]
