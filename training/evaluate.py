"""`python -m training.evaluate --model MODEL --scale S FOLDER...`: PSNR and SSIM as the papers report them."""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple, get_args

import numpy as np

from sr_infer import Upscaler
from sr_infer.errors import ImageError, OptionError, SrInferError
from sr_infer.metrics import luma, psnr_y, ssim_y
from sr_infer.resize import downscale, imresize
from training.checkpoint import load_network
from training.data.degradations import Degradation, degrade
from training.data.folder import picture_names, read_pixels
from training.loop.validation import Pixels, upscale_pixels

Upscale = Callable[[Pixels], Pixels]


class Pair(NamedTuple):
    """A picture's name, its LR form (h, w, 3) and its HR form (scale h, scale w, 3), uint8; (h, w) if it is grey."""

    name: str
    lr: Pixels
    hr: Pixels


@dataclass(frozen=True)
class Score:
    """Luma PSNR in dB and SSIM of one picture, or the mean of many."""

    name: str
    psnr_y: float
    ssim_y: float


def evaluate(
    upscale: Upscale, folder: Path, scale: int, *, luma_only: bool = False, degradation: Degradation = "bicubic"
) -> list[Score]:
    """Upscale every LR picture of a benchmark folder and compare it with its HR picture.

    Args:
        upscale: (h, w, 3) or (h, w) uint8 to (scale h, scale w[, 3]) uint8.
        folder: pictures in `HR/` with their LR ones in `LR_bicubic/X<scale>/<name>x<scale>.png`, or HR pictures alone,
            whose LR ones are then made by MATLAB's bicubic.
        scale: of the network, and the border in pixels that is cut off before comparing.
        degradation: how LR pictures are made; other than bicubic they are always made here.
        luma_only: shrink, upscale and compare the rounded luma alone, as papers did before networks for RGB.

    Raises:
        ImageError: the folder holds no picture, or LR and HR do not fit.
    """
    scores = []
    for name, lr, hr in picture_pairs(folder, scale, luma_only=luma_only, degradation=degradation):
        sr = upscale(lr)
        if sr.shape != hr.shape:
            raise ImageError(f"{name}: expected a result of {hr.shape}, got {sr.shape}; is the scale {scale}?")
        scores.append(Score(name, psnr_y(sr, hr, border=scale), ssim_y(sr, hr, border=scale)))
    return scores


def picture_pairs(
    folder: Path,
    scale: int,
    *,
    names: Sequence[str] | None = None,
    luma_only: bool = False,
    degradation: Degradation = "bicubic",
) -> Iterator[Pair]:
    """The pictures of a benchmark folder, as `evaluate` takes them; of those called `names` if they are given.

    Raises:
        ImageError: the folder holds no picture, or one cannot be decoded.
    """
    hr_root = folder / "HR" if (folder / "HR").is_dir() else folder
    for name in picture_names(hr_root) if names is None else names:
        hr = read_pixels(hr_root / name)
        hr = hr[: hr.shape[0] // scale * scale, : hr.shape[1] // scale * scale]
        stem = Path(name).stem
        lr_path = folder / "LR_bicubic" / f"X{scale}" / f"{stem}x{scale}.png"
        if luma_only:
            hr = np.floor(luma(hr) + 0.5).astype(np.uint8)
        given = lr_path.is_file() and not luma_only and degradation == "bicubic"
        yield Pair(stem, read_pixels(lr_path) if given else degrade(hr, scale, degradation), hr)


def matching_lr_files(folder: Path, scale: int) -> tuple[int, int]:
    """How many of a benchmark folder's LR files equal `sr_infer.resize.downscale` bit for bit, and how many there are.

    Raises:
        ImageError: the folder holds no picture, or a file is missing.
    """
    equal = []
    for name in picture_names(folder / "HR"):
        given = read_pixels(folder / "LR_bicubic" / f"X{scale}" / f"{Path(name).stem}x{scale}.png")
        equal.append(np.array_equal(given, downscale(read_pixels(folder / "HR" / name), scale)))
    return sum(equal), len(equal)


def mean_score(scores: list[Score]) -> Score:
    return Score("mean", float(np.mean([s.psnr_y for s in scores])), float(np.mean([s.ssim_y for s in scores])))


def load_upscaler(model: str, scale: int) -> Upscale:
    """Load what `--model` names: "bicubic", a .safetensors file of ours, an .onnx file, or a shipped model.

    Raises:
        SrInferError: the model cannot be loaded, or its scale is another.
    """
    if model == "bicubic":
        return lambda lr: _bicubic(lr, scale)
    if model.endswith(".safetensors"):
        return _torch_upscaler(Path(model), scale)
    upscaler = Upscaler(model)
    _check_scale(model, upscaler.card.scale, scale)
    return upscaler


def _bicubic(lr: Pixels, scale: int) -> Pixels:
    sr = imresize(lr.astype(np.float64), (lr.shape[0] * scale, lr.shape[1] * scale))
    return np.floor(np.clip(sr, 0, 255) + 0.5).astype(np.uint8)


def _torch_upscaler(path: Path, scale: int) -> Upscale:
    _, config, network, _ = load_network(path)
    _check_scale(str(path), config.scale, scale)
    return through_rgb(partial(upscale_pixels, network))


def _check_scale(model: str, has: int, wanted: int) -> None:
    if has != wanted:
        raise OptionError(f"{model} is a x{has} network; give --scale {has}")


def through_rgb(upscale: Upscale) -> Upscale:
    """Run grey pictures through an RGB network as three equal channels; the result is its luma."""

    def upscale_any(lr: Pixels) -> Pixels:
        if lr.ndim == 3:
            return upscale(lr)
        rgb = upscale(np.repeat(lr[:, :, None], 3, axis=2))
        return np.floor(rgb @ np.array([0.299, 0.587, 0.114]) + 0.5).astype(np.uint8)

    return upscale_any


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m training.evaluate", description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER", help="benchmark folders")
    parser.add_argument("--model", required=True, help="bicubic, weights (.safetensors), .onnx file or shipped name")
    parser.add_argument("--scale", type=int, required=True)
    parser.add_argument("--luma-only", action="store_true", help="work on the rounded luma alone (bicubic only)")
    parser.add_argument(
        "--degradation", default="bicubic", choices=get_args(Degradation), help="how LR pictures are made"
    )
    parser.add_argument("--each", action="store_true", help="print every picture, not only the mean")
    parser.add_argument("--check-lr", action="store_true", help="count the LR files that equal our bicubic")
    options = parser.parse_args(arguments)
    try:
        if options.luma_only and options.model != "bicubic":
            raise OptionError("--luma-only works with --model bicubic; the networks take RGB")
        if options.scale < 1:
            raise OptionError(f"--scale must be at least 1, got {options.scale}")
        upscale = load_upscaler(options.model, options.scale)
        for folder in options.folders:
            scores = evaluate(
                upscale, folder, options.scale, luma_only=options.luma_only, degradation=options.degradation
            )
            for score in scores if options.each else []:
                print(f"{folder.name:12} {score.name:16} {score.psnr_y:6.2f} dB  {score.ssim_y:.4f}")
            mean = mean_score(scores)
            head = f"{folder.name:12} x{options.scale} mean of {len(scores):3}"
            print(f"{head}  {mean.psnr_y:6.2f} dB  {mean.ssim_y:.4f}")
            if options.check_lr:
                equal, files = matching_lr_files(folder, options.scale)
                print(f"{folder.name:12} x{options.scale} {equal} of {files} LR files equal ours bit for bit")
    except SrInferError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
