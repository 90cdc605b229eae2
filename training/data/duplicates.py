"""Near-duplicates by perceptual hash, to find a benchmark's pictures in a training set."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

NEAR_BITS = 40
"""Hashes of unrelated pictures differ in about 128 bits, those of a resized or recompressed copy in fewer than 30."""


def difference_hash(picture: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Whether each cell of a 16x17 grey thumbnail is brighter than its left neighbour.

    Args:
        picture: (H, W, 3) or (H, W) uint8.

    Returns:
        (256,) bool.
    """
    thumbnail = Image.fromarray(picture).convert("L").resize((17, 16), Image.Resampling.BOX)
    cells = np.asarray(thumbnail, np.int16)
    return (cells[:, 1:] > cells[:, :-1]).ravel()


def near_duplicates(
    hashes: dict[str, NDArray[np.bool_]], known: dict[str, NDArray[np.bool_]]
) -> list[tuple[str, str, int]]:
    """Pairs (name, known name, differing bits) that differ in at most 40 bits of 256, mirrored copies included."""
    if not hashes or not known:
        return []
    known_names = list(known)
    table = np.stack([known[name] for name in known_names])
    found = []
    for name, bits in hashes.items():
        mirrored = ~bits.reshape(16, 16)[:, ::-1].ravel()
        distances = np.minimum((table != bits).sum(axis=1), (table != mirrored).sum(axis=1))
        found += [(name, known_names[i], int(distances[i])) for i in np.flatnonzero(distances <= NEAR_BITS)]
    return found
