"""Make LR pictures: bicubic as in the benchmarks, and the other degradations that DRN adapts to (section 4.4)."""

import io
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sr_infer.errors import OptionError
from sr_infer.resize import downscale

Pixels = NDArray[np.uint8]
Degradation = Literal["bicubic", "nearest", "bd", "jpeg"]
BD_TAPS = 7
BD_SIGMA_PX = 1.6
JPEG_QUALITY = 40


def degrade(hr: Pixels, scale: int, kind: Degradation) -> Pixels:
    """The LR picture of an HR one, which is cropped at the top left to a multiple of `scale`.

    Subsampling ("nearest", "bd") takes the pixel `scale // 2` from the top left of each `scale` x `scale` block, as
    MATLAB's `imresize(.., 'nearest')` does: for even scales half an HR pixel right of and below the block's middle.

    Args:
        hr: (H, W, 3) or (H, W) uint8.
        scale: at least 1; with 1, "nearest" changes nothing.
        kind: "bicubic", MATLAB's; "nearest", pixels dropped; "bd", blurred by a 7x7 Gaussian of sigma 1.6 HR px with
            mirrored borders, then dropped; "jpeg", bicubic and then through a JPEG of quality 40 (chroma 4:2:0).

    Raises:
        OptionError: there is no such kind.
    """
    if kind == "bicubic":
        return downscale(hr, scale)
    cropped = hr[: hr.shape[0] // scale * scale, : hr.shape[1] // scale * scale]
    if kind == "nearest":
        return cropped[scale // 2 :: scale, scale // 2 :: scale]
    if kind == "bd":
        rows = _blur_and_drop(cropped.astype(np.float64), scale)
        columns = _blur_and_drop(rows.swapaxes(0, 1), scale).swapaxes(0, 1)
        return np.floor(columns + 0.5).astype(np.uint8)
    if kind == "jpeg":
        file = io.BytesIO()
        Image.fromarray(downscale(hr, scale)).save(file, "JPEG", quality=JPEG_QUALITY, subsampling="4:2:0")
        return np.asarray(Image.open(file))
    raise OptionError(f"a degradation is one of {', '.join(get_args(Degradation))}, not {kind!r}")


def _blur_and_drop(image: NDArray[np.float64], scale: int) -> NDArray[np.float64]:
    """Along the first axis."""
    radius = BD_TAPS // 2
    weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / BD_SIGMA_PX) ** 2)
    weights /= weights.sum()
    padded = np.pad(image, [(radius, radius), *[(0, 0)] * (image.ndim - 1)], mode="symmetric")
    kept = np.arange(scale // 2, image.shape[0], scale)
    return sum(weight * padded[kept + tap] for tap, weight in enumerate(weights))
