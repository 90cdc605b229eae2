"""The size that a picture is brought to, from what the caller asks for."""

import math
from numbers import Integral, Real

from sr_infer.errors import OptionError


def output_size(
    size_hw: tuple[int, int],
    model_scale: int,
    *,
    scale: float | None = None,
    width: int | None = None,
    height: int | None = None,
) -> tuple[int, int]:
    """Height and width that a picture is upscaled to.

    Args:
        size_hw: of the LR picture.
        model_scale: taken when nothing else is asked for.
        scale: output side over input side.
        width, height: in px; one alone keeps the aspect ratio.

    Raises:
        OptionError: not a positive number, or `scale` comes with a width or height.
    """
    lr_height, lr_width = size_hw
    for name, value in (("scale", scale), ("width", width), ("height", height)):
        kind, what = (Real, "number") if name == "scale" else (Integral, "whole number")
        if value is not None and not (isinstance(value, kind) and 0 < value < math.inf):
            raise OptionError(f"expected {name} to be a positive {what}, got {value!r}")
    if scale is not None and (width is not None or height is not None):
        raise OptionError("expected either scale or a width and height, got both")
    width, height = (None if side is None else int(side) for side in (width, height))  # numpy's would overflow
    try:
        if width is not None or height is not None:
            return (
                height if height is not None else max(1, round(lr_height * (width or 0) / lr_width)),
                width if width is not None else max(1, round(lr_width * (height or 0) / lr_height)),
            )
        factor = float(model_scale if scale is None else scale)
        return max(1, round(lr_height * factor)), max(1, round(lr_width * factor))
    except OverflowError as error:
        raise OptionError(f"expected a size that a picture can have, got {scale=}, {width=}, {height=}") from error
