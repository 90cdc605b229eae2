"""scikit-image's photographs as arrays, for every benchmark that needs a real image."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sr_infer.errors import MissingExtraError

Pixels = NDArray[np.uint8]


def load_photograph(name: str, *, multiple: int = 1) -> Pixels:
    """A photograph from scikit-image's package, (H, W, 3) or (H, W); both sides are cut to a multiple of `multiple`.

    Raises:
        MissingExtraError: scikit-image is not installed.
    """
    try:
        from skimage import data
    except ImportError as error:
        raise MissingExtraError("the photographs need scikit-image: pip install 'sr-infer[demo]'") from error
    (path,) = Path(data.__file__).parent.glob(f"{name}.*")
    with Image.open(path) as image:
        pixels = np.array(image)
    height, width = (side // multiple * multiple for side in pixels.shape[:2])
    return pixels[:height, :width]


def crop_middle(name: str, scale: int) -> Pixels:
    """The middle of a photograph, (H, W, 3); its sides are the largest multiple of the scale up to 256 px."""
    pixels = load_photograph(name)
    side = 256 // scale * scale
    top, left = ((length - side) // 2 for length in pixels.shape[:2])
    return np.ascontiguousarray(pixels[top : top + side, left : left + side])


def tile_photograph(height: int, width: int) -> Pixels:
    """An image of any size, (H, W, 3): a photograph of a cat, mirrored and repeated until it fills the size."""
    pixels = load_photograph("chelsea")
    pixels = np.concatenate([pixels, pixels[:, ::-1]], axis=1)
    pixels = np.concatenate([pixels, pixels[::-1]])
    repeats = -(-height // pixels.shape[0]), -(-width // pixels.shape[1])
    return np.ascontiguousarray(np.tile(pixels, (*repeats, 1))[:height, :width])
