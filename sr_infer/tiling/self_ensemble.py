"""The flips and rotations of a square, over which a network's results are averaged.

Timofte et al., "Seven ways to improve example-based single image super resolution", CVPR 2016, section 3.4.
"""

import numpy as np

from sr_infer.colour import Planes

TURNS = 8


def turned(planes: Planes, turn: int) -> Planes:
    """(C, H, W) rotated by turn % 4 quarters, and before that mirrored from turn 4 on."""
    mirrored = planes[:, :, ::-1] if turn >= 4 else planes
    return np.ascontiguousarray(np.rot90(mirrored, turn % 4, axes=(1, 2)))


def turned_back(planes: Planes, turn: int) -> Planes:
    """What `turned` undoes."""
    upright = np.rot90(planes, -(turn % 4), axes=(1, 2))
    return upright[:, :, ::-1] if turn >= 4 else upright
