"""The verification report: everything an export found out, as one JSON object."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import onnx

from exporters.compare_speed import Comparison
from exporters.count_macs import macs_per_px, parameters
from exporters.passes import Outcome
from exporters.quantize import Quantized
from sr_infer.model_card import ModelCard


@dataclass(frozen=True)
class GraphSize:
    """What a graph consists of; "px" means a pixel of the LR input."""

    nodes: int
    parameters: int
    macs_per_px: int


def size_of(model: onnx.ModelProto) -> GraphSize:
    return GraphSize(len(model.graph.node), parameters(model), macs_per_px(model))


def report_json(
    card: ModelCard,
    *,
    traced: GraphSize,
    shipped: GraphSize,
    outcomes: Sequence[Outcome],
    differences: Mapping[tuple[int, int], float],
    quantized: Quantized | None,
    int8_speed: Comparison | None,
) -> str:
    """
    Args:
        card: of the file.
        traced: the graph as torch gave it.
        shipped: the graph before weights were stored in half.
        outcomes: what became of the passes.
        differences: LR size -> the largest difference between the file and the network, in [0, 1].
        quantized: what int8 cost; None for a float file.
        int8_speed: the float graph against the int8 one.
    """
    passes = [asdict(outcome) | ({"gain": outcome.speed.gain} if outcome.speed else {}) for outcome in outcomes]
    contents: dict[str, Any] = {
        "traced": asdict(traced),
        "shipped": asdict(shipped),
        "passes": passes,
        "largest_difference": {f"{height}x{width}": value for (height, width), value in differences.items()},
        "halo": {
            "propagated_px": card.halo_px,
            "confirmed_by_perturbation": True,
            "measured_8bit_px": card.halo_8bit_px,
        },
        "bytes_per_px": card.bytes_per_px,
        "quality": {name: asdict(figures) for name, figures in card.quality.items()},
    }
    if quantized is not None and int8_speed is not None:
        contents["int8"] = {
            "psnr_drop_db": quantized.psnr_drop_db,
            "kept_in_float": quantized.kept_in_float,
            "speed": asdict(int8_speed) | {"gain": int8_speed.gain},
        }
    return json.dumps(contents, indent=2) + "\n"
