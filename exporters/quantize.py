"""A float graph as static int8: unsigned 8-bit activations, signed weights with a scale for every output channel.

With a tensor's range [low, high] from calibration pictures and s = (high - low) / 255, activations become

    q(x) = clip(round(x / s) + z, 0, 255),    x' = s (q - z)

and weights W'[o] = s_o q with q in -127 .. 127, or -64 .. 64 by default: without VNNI instructions (i5-class CPUs), two
products of 8 bits overflow the 16-bit sum that the CPU takes, and the result is silently wrong. onnxruntime's
quantiser does the rewriting (QuantizeLinear-DequantizeLinear pairs); what is chosen here is which layers stay in float.

Every layer is quantised alone first, and its mean squared error in the result is its sensitivity. Layers then stay in
float, the most sensitive first, in growing number, until the loss of luma PSNR on validation pictures is small enough.
"""

import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, QDQQuantizer, QuantType
from onnxruntime.quantization.calibrate import CalibrationMethod, create_calibrator

from exporters.open_graph import open_graph
from sr_infer.errors import OptionError, SrInferError
from sr_infer.resize import downscale
from training.data.folder import picture_names, read_pixels
from training.evaluate import evaluate, mean_score, through_rgb

Batch = NDArray[np.float32]

QUANTIZED = ("Conv", "Add", "Mul", "Concat", "LeakyRelu")
"""Operations that onnxruntime computes in int8."""
FOLLOWS = "Relu"
"""Costs nothing behind a quantised layer: negative values are cut off by the layer's own range."""
CROP_PX = 96
CROPS = 24
SENSITIVITY_CROPS = 3


class QuantizationError(SrInferError):
    """No int8 form within the allowed loss of PSNR was found."""


@dataclass(frozen=True, kw_only=True)
class Int8Options:
    """
    Raises:
        OptionError: `max_drop_db` is negative.
    """

    calibration: Path
    """Folder of pictures, shrunk by the network's scale before their middle is fed to it."""
    validation: Path
    """Benchmark folder on which the loss is measured."""
    max_drop_db: float = 0.10
    """Largest allowed loss of luma PSNR, mean over the validation folder."""
    full_range: bool = False
    """8-bit weights instead of 7-bit ones: right only on CPUs with VNNI instructions."""

    def __post_init__(self) -> None:
        if not self.max_drop_db >= 0:
            raise OptionError(f"max_drop_db must not be negative, got {self.max_drop_db}")


@dataclass(frozen=True)
class Quantized:
    """An int8 graph and what it costs."""

    model: onnx.ModelProto
    psnr_drop_db: float
    kept_in_float: tuple[str, ...]


def quantize(model: onnx.ModelProto, options: Int8Options, *, scale: int) -> Quantized:
    """
    Args:
        model: a float graph that takes and gives RGB in [0, 1], before its weights are stored in half.
        options: folders and limits.
        scale: output side over input side.

    Raises:
        ImageError: a folder holds no picture.
        QuantizationError: even with most layers in float the loss is above the limit.
    """
    crops = calibration_crops(options.calibration, scale)
    named = onnx.ModelProto()
    named.CopyFrom(model)
    for index, node in enumerate(named.graph.node):
        node.name = f"{node.op_type} {index}"
    layers = [node.name for node in named.graph.node if node.op_type in QUANTIZED]
    rewrite = _quantizer(named, _ranges(named, crops), full_range=options.full_range)

    expected = [open_graph(named).run(["sr"], {"lr": crop})[0] for crop in crops[:SENSITIVITY_CROPS]]

    def error_of(layer: str) -> float:
        session = open_graph(rewrite([layer]))
        results = [session.run(["sr"], {"lr": crop})[0] for crop in crops[:SENSITIVITY_CROPS]]
        return float(np.mean([np.mean((sr - right) ** 2) for sr, right in zip(results, expected, strict=True)]))

    ranking = sorted(layers, key=error_of, reverse=True)
    reference_db = _psnr_y(named, options.validation, scale)
    drop_db, kept = float("inf"), 0
    for kept in _growing(len(layers)):
        candidate = rewrite(ranking[kept:])
        drop_db = reference_db - _psnr_y(candidate, options.validation, scale)
        if drop_db <= options.max_drop_db:
            return Quantized(candidate, drop_db, tuple(ranking[:kept]))
    raise QuantizationError(
        f"int8 loses {drop_db:.3f} dB on {options.validation} even with {kept} of {len(layers)} layers in float, more "
        f"than the {options.max_drop_db:g} dB allowed; give more calibration pictures or a larger --max-drop"
    )


def calibration_crops(folder: Path, scale: int) -> list[Batch]:
    """The middle of up to 24 pictures, spread over the folder, as LR batches of one in [0, 1].

    Raises:
        ImageError: the folder holds no picture.
    """
    names = picture_names(folder)
    chosen = names[:: max(len(names) // CROPS, 1)][:CROPS]
    crops = []
    for name in chosen:
        pixels = read_pixels(folder / name)
        side = [min(CROP_PX * scale, length // scale * scale) for length in pixels.shape[:2]]
        top, left = ((length - part) // 2 for length, part in zip(pixels.shape[:2], side, strict=True))
        lr = downscale(pixels[top : top + side[0], left : left + side[1]], scale)
        crops.append(np.ascontiguousarray(lr.transpose(2, 0, 1)[None], np.float32) / np.float32(255))
    return crops


class _Crops(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, crops: Sequence[Batch]) -> None:
        self._left = iter(crops)

    def get_next(self) -> dict[str, Batch] | None:
        crop = next(self._left, None)
        return None if crop is None else {"lr": crop}


def _ranges(model: onnx.ModelProto, crops: Sequence[Batch]) -> Any:
    """Tensor name -> lowest and highest value that the calibration pictures gave it."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "float.onnx")
        onnx.save(model, path)
        calibrator = create_calibrator(
            path,
            [*QUANTIZED, FOLLOWS],
            augmented_model_path=os.path.join(folder, "augmented.onnx"),
            calibrate_method=CalibrationMethod.MinMax,
        )
        calibrator.collect_data(_Crops(crops))
        return calibrator.compute_data()


def _quantizer(model: onnx.ModelProto, ranges: Any, *, full_range: bool) -> Callable[[Sequence[str]], onnx.ModelProto]:
    """A function that quantises the layers of these names, and no others."""

    makers = {name: node.name for node in model.graph.node for name in node.output}
    followed = {node.name: makers.get(node.input[0]) for node in model.graph.node if node.op_type == FOLLOWS}

    def rewrite(layers: Sequence[str]) -> onnx.ModelProto:
        chosen = set(layers)
        copy = onnx.ModelProto()
        copy.CopyFrom(model)
        quantizer = QDQQuantizer(
            copy,
            per_channel=True,
            reduce_range=not full_range,
            weight_qType=QuantType.QInt8,
            activation_qType=QuantType.QUInt8,
            tensors_range=ranges,
            nodes_to_quantize=[*layers, *(name for name, maker in followed.items() if maker in chosen)],
            nodes_to_exclude=[],
            op_types_to_quantize=[*QUANTIZED, FOLLOWS],
            extra_options={"WeightSymmetric": True},
        )
        quantizer.quantize_model()
        quantizer.model.topological_sort()
        result: onnx.ModelProto = quantizer.model.model
        del result.graph.value_info[:]
        return result

    return rewrite


def _psnr_y(model: onnx.ModelProto, folder: Path, scale: int) -> float:
    session = open_graph(model)

    def upscale(lr: NDArray[np.uint8]) -> NDArray[np.uint8]:
        batch = np.ascontiguousarray(lr.transpose(2, 0, 1)[None], np.float32) / np.float32(255)
        sr = session.run(["sr"], {"lr": batch})[0][0].transpose(1, 2, 0)
        levels: NDArray[np.uint8] = np.clip(np.rint(sr * 255), 0, 255).astype(np.uint8)
        return levels

    return mean_score(evaluate(through_rgb(upscale), folder, scale)).psnr_y


def _growing(layers: int) -> list[int]:
    """How many layers to keep in float, in the order tried: none, a few, and up to half of them."""
    return sorted({0, *(round(layers * share) for share in (0.03, 0.06, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5))})
