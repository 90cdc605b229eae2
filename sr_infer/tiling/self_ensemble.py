"""Flip and rotate a square; the results of a network on all 8 orientations are averaged.

Timofte et al., "Seven ways to improve example-based single image super resolution", CVPR 2016, section 3.4.
"""

import numpy as np

from sr_infer.colour import Planes

ORIENTATIONS = 8
"""Number of flips and rotations of a square."""


def orient(planes: Planes, index: int) -> Planes:
    """Flip and rotate planes.

    Args:
        planes: (C, H, W).
        index: 0 to 7. Planes are mirrored if it is 4 or more, then rotated by index % 4 quarter turns.
    """
    mirrored = planes[:, :, ::-1] if index >= 4 else planes
    return np.ascontiguousarray(np.rot90(mirrored, index % 4, axes=(1, 2)))


def inverse_orient(planes: Planes, index: int) -> Planes:
    """Undo `orient` with the same index."""
    upright = np.rot90(planes, -(index % 4), axes=(1, 2))
    return upright[:, :, ::-1] if index >= 4 else upright
