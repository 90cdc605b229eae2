"""Measure PSNR and SSIM on luma of a model, on scikit-image's photographs and on benchmark folders."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.photographs import crop_middle
from sr_infer import ShippedModel
from sr_infer.metrics import psnr_y, ssim_y
from sr_infer.resize import downscale
from training.evaluate import evaluate, load_upscaler, mean_score

PHOTOGRAPHS = ("astronaut", "chelsea", "coffee", "rocket")


def measure(model: str, scale: int, folders: Sequence[Path]) -> dict[str, Any]:
    """Measure mean PSNR and SSIM, as {name: {"psnr_y": dB, "ssim_y": ...}}. One name is "photographs".

    Args:
        model: model name or path, as for `training.evaluate --model`.
        scale: scale of the model.
        folders: benchmark folders, as for `training.evaluate`.
    """
    upscale = load_upscaler(model, scale)
    scores = []
    for name in PHOTOGRAPHS:
        hr = crop_middle(name, scale)
        sr = upscale(downscale(hr, scale))
        scores.append((psnr_y(sr, hr, border=scale), ssim_y(sr, hr, border=scale)))
    psnr, ssim = np.mean(scores, axis=0)
    rows = {"photographs": {"psnr_y": float(psnr), "ssim_y": float(ssim)}}
    for folder in folders:
        mean = mean_score(evaluate(upscale, folder, scale))
        rows[folder.name] = {"psnr_y": mean.psnr_y, "ssim_y": mean.ssim_y}
    return rows


def measure_model(model: ShippedModel, folders: Sequence[Path]) -> dict[str, Any]:
    return measure(model.name, model.card.scale, folders)
