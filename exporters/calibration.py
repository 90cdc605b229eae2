"""Pictures for quantisation: crops that set the ranges, and pairs of LR and HR on which the loss is measured."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from exporters.insert_qdq import Range
from exporters.open_graph import open_graph
from sr_infer.errors import ImageError
from sr_infer.resize import downscale
from training.data.folder import picture_names, read_pixels, scan_folder
from training.evaluate import Pair, picture_pairs

Batch = NDArray[np.float32]

CROP_PX = 48
PICTURES = 24
CUT_SHARE = 1e-5
"""Of a tensor's values, which may lie outside of its range on each side: a few outliers would coarsen all others."""
TAIL = 512
"""Values that are remembered on each side: enough for 50 million."""


@dataclass(frozen=True)
class Calibration:
    """What is known of the pictures that a network will see."""

    scale: int
    crops: list[Batch]
    """LR, (1, 3, h, w) in [0, 1], h and w up to 48."""
    held_out: list[Pair]
    """Other pictures, whole."""


def read_calibration(folder: Path, validation: Path | None, scale: int) -> Calibration:
    """
    Args:
        folder: HR pictures. The middle of up to 24, spread over the folder, becomes crops.
        validation: a benchmark folder as `training.evaluate` takes it. None takes up to 24 of the pictures in `folder`
            that training holds out (`training.data.folder`), and these are then not among the crops.
        scale: output side over input side.

    Raises:
        ImageError: a folder holds no picture, or none that is held out.
    """
    if validation is not None:
        return Calibration(scale, _crops(folder, picture_names(folder), scale), list(picture_pairs(validation, scale)))
    split = scan_folder(folder)
    if not split.validation or not split.train:
        raise ImageError(
            f"none of the {len(split.train) + len(split.validation)} pictures in {folder} is held out for validation; "
            "give --validation DIR, pictures that are not among them"
        )
    held_out = picture_pairs(folder, scale, names=_spread(split.validation))
    return Calibration(scale, _crops(folder, split.train, scale), list(held_out))


def tensor_ranges(model: onnx.ModelProto, tensors: Sequence[str], crops: Sequence[Batch]) -> dict[str, Range]:
    """Lowest and highest value of tensors on the crops, without the outermost 1 in 100,000 values on each side."""
    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    ends = {value.name for value in (*watched.graph.input, *watched.graph.output)}
    inner = [name for name in tensors if name not in ends]
    watched.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in inner)
    session = open_graph(watched)
    asked = [name for name in tensors if name != "lr"]
    tails = {name: _Tails() for name in tensors}
    for crop in crops:
        values = dict(zip(asked, session.run(asked, {"lr": crop}), strict=True)) | {"lr": crop}
        for name in tensors:
            tails[name].add(values[name])
    return {name: tail.range() for name, tail in tails.items()}


class _Tails:
    """The outermost values of a tensor over many pictures, sorted."""

    def __init__(self) -> None:
        self._seen = 0
        self._low = self._high = np.zeros(0, np.float32)

    def add(self, values: Batch) -> None:
        self._seen += values.size
        flat = values.ravel()
        few = min(TAIL, flat.size)
        self._low = np.sort(np.r_[self._low, np.partition(flat, few - 1)[:few]])[:TAIL]
        self._high = np.sort(np.r_[self._high, np.partition(flat, -few)[-few:]])[-TAIL:]

    def range(self) -> Range:
        cut = min(int(self._seen * CUT_SHARE), TAIL - 1)
        return float(self._low[cut]), float(self._high[-1 - cut])


def _crops(folder: Path, names: Sequence[str], scale: int) -> list[Batch]:
    crops = []
    for name in _spread(names):
        pixels = read_pixels(folder / name)
        if pixels.ndim == 2:
            pixels = np.repeat(pixels[:, :, None], 3, axis=2)
        side = [min(CROP_PX * scale, length // scale * scale) for length in pixels.shape[:2]]
        top, left = ((length - part) // 2 for length, part in zip(pixels.shape[:2], side, strict=True))
        lr = downscale(pixels[top : top + side[0], left : left + side[1]], scale)
        crops.append(np.ascontiguousarray(lr.transpose(2, 0, 1)[None], np.float32) / np.float32(255))
    return crops


def _spread(names: Sequence[str]) -> list[str]:
    """Up to 24 of the names, evenly spaced."""
    return list(names[:: -(-len(names) // PICTURES)])
