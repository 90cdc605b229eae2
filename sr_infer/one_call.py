"""`sr_infer.upscale`: an `Upscaler` made and called in one."""

from os import PathLike
from typing import overload

from sr_infer import model_zoo
from sr_infer.image_io import reader
from sr_infer.image_io.reader import ImageInput, ImageOutput
from sr_infer.options import Alpha, Halo
from sr_infer.tiling.tile_runner import Progress
from sr_infer.upscaler import AsItCame, Upscaler


@overload
def upscale(
    image: AsItCame,
    model: str | PathLike[str] = ...,
    *,
    tile: int | None = ...,
    halo: Halo = ...,
    max_memory: int | str | None = ...,
    max_pixels: int = ...,
    threads: int | None = ...,
    alpha: Alpha = ...,
    ensemble: bool = ...,
    scale: float | None = ...,
    width: int | None = ...,
    height: int | None = ...,
    progress: Progress | None = ...,
) -> AsItCame: ...
@overload
def upscale(
    image: ImageInput,
    model: str | PathLike[str] = ...,
    *,
    tile: int | None = ...,
    halo: Halo = ...,
    max_memory: int | str | None = ...,
    max_pixels: int = ...,
    threads: int | None = ...,
    alpha: Alpha = ...,
    ensemble: bool = ...,
    scale: float | None = ...,
    width: int | None = ...,
    height: int | None = ...,
    progress: Progress | None = ...,
) -> ImageOutput: ...
def upscale(
    image: ImageInput,
    model: str | PathLike[str] = model_zoo.DEFAULT_MODEL,
    *,
    tile: int | None = None,
    halo: Halo = "8bit",
    max_memory: int | str | None = None,
    max_pixels: int = reader.MAX_PIXELS,
    threads: int | None = None,
    alpha: Alpha = "bicubic",
    ensemble: bool = False,
    scale: float | None = None,
    width: int | None = None,
    height: int | None = None,
    progress: Progress | None = None,
) -> ImageOutput:
    """Upscale a picture in one call. The options are those of `Upscaler`, the rest that of calling one.

    Networks stay loaded between calls, so this costs no more than holding an `Upscaler`.

    Args:
        image: path, bytes, file object, Pillow image, or array (H, W), (H, W, 1), (H, W, 3), (H, W, 4) of uint8, uint16
            or float32 in [0, 1].
        model: name of a shipped model, or path to an .onnx file.

    Returns:
        What `image` was: bytes for bytes, Pillow for Pillow, an array of the same dtype for an array. A path or file
        object gives a Pillow image, or a uint16 array for 16-bit colour, which Pillow cannot hold.

    Raises:
        SrInferError: one of its children says what was expected, what came, and what to do.
    """
    upscaler = Upscaler(
        model,
        tile=tile,
        halo=halo,
        max_memory=max_memory,
        max_pixels=max_pixels,
        threads=threads,
        alpha=alpha,
        ensemble=ensemble,
    )
    return upscaler(image, scale=scale, width=width, height=height, progress=progress)
