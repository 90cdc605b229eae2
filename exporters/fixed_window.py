"""Export networks with size requirements of their own (transformers) for windows of one size.

Such a network depends on the size of its input in ways that a trace for any size cannot hold. The file takes squares
of one side only, and the runtime cuts every image into them. Every pixel depends on the whole window, so no halo
makes tiles exactly equal to the whole image; the halo is chosen by measurement instead.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import onnx
import torch

from exporters import measurements
from exporters.checkpoints.source import Source
from exporters.graph_analysis import parameters
from exporters.measurements import Pixels
from exporters.model_file import tool_versions, write_model
from exporters.passes.apply import SIMPLIFY, STORE_FP16_WEIGHTS, apply_passes
from exporters.trace import UnitRange, trace
from exporters.verify import references, verify
from sr_infer import Upscaler
from sr_infer.metrics import psnr_y
from sr_infer.model_card import ModelCard

HALOS_PX = (8, 16, 24, 32)
"""Tried in this order."""
MIN_TILES_DB = 60.0
"""Wanted PSNR between a photograph in tiles and as a whole. If no halo reaches it, the last is taken."""


def export_windows(
    source: Source, window_px: int, path: Path, benchmarks: Sequence[Path]
) -> tuple[ModelCard, float | None]:
    """Write the network of `source` for windows of `window_px` to `path`.

    Returns:
        The card, and the luma PSNR in dB between a photograph in tiles and as a whole; None where the network came as a
        graph, which cannot run on the whole.

    Raises:
        SrInferError: the graph differs from the network, or a folder of `benchmarks` holds no picture.
    """
    unit = source.unit_range()
    pairs = references(unit, sizes_hw=[(window_px, window_px)], batch=1, channels=source.channels)
    traced = source.graph or trace(unit, window_px=window_px, channels=source.channels)
    verify(traced, pairs)
    model, _ = apply_passes(traced, pairs, passes=(SIMPLIFY, STORE_FP16_WEIGHTS))
    onnx.checker.check_model(model, full_check=True)
    verify(model, pairs)
    card = ModelCard(
        scale=source.scale,
        architecture=source.architecture,
        multiple_of_px=source.multiple_of_px,
        window_px=window_px,
        params=source.params or parameters(model),
        macs_per_px=source.macs_per_px or 0,
        colour="RGB" if source.channels == 3 else "Y",
        trained_on=source.trained_on,
        licence=source.licence,
        exporter=tool_versions(),
    )
    write_model(model, card, path, source.metadata)
    if source.graph is None:
        halo_px, tiles_db = _measure_halo_px(unit, path, _photograph(window_px, source.multiple_of_px))
    else:
        halo_px, tiles_db = min(HALOS_PX[-1], window_px // 4), None
    card = replace(card, halo_px=halo_px, bytes_per_px=measurements.bytes_per_px(path, side_px=window_px))
    write_model(model, card, path, source.metadata)
    quality = measurements.quality(Upscaler(model=path), benchmarks, scale=card.scale)
    card = replace(card, quality=quality)
    write_model(model, card, path, source.metadata)
    return card, tiles_db


def _photograph(window_px: int, multiple_of_px: int) -> Pixels:
    """A square part of a photograph that needs several windows."""
    picture = measurements.photographs()[1]
    side_px = min(window_px * 3 // 2, *picture.shape[:2]) // multiple_of_px * multiple_of_px
    return measurements.middle(picture, side_px)


def _measure_halo_px(unit: UnitRange, path: Path, lr: Pixels) -> tuple[int, float]:
    """The smallest halo that reaches `MIN_TILES_DB`, or the last, and its PSNR."""
    with torch.no_grad():
        sr = unit(torch.from_numpy(lr.transpose(2, 0, 1).copy())[None].float() / 255)
    whole = sr[0].permute(1, 2, 0).clamp(0, 1).mul(255).round().byte().numpy()
    for halo_px in HALOS_PX:
        tiles_db = psnr_y(Upscaler(model=path, halo=halo_px)(lr), whole, border=0)
        if tiles_db >= MIN_TILES_DB:
            break
    return halo_px, tiles_db
