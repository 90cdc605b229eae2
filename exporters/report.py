"""The verification report: every measurement of an export, as one JSON object."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import onnx

from exporters.graph_analysis import macs_per_px, parameters
from exporters.measurements import TileEquality
from exporters.passes.apply import Outcome
from exporters.quantization.quantize import Quantized
from exporters.run_graph import Comparison
from sr_infer.model_card import ModelCard


@dataclass(frozen=True)
class GraphSize:
    """The size of a graph. "px" means a pixel of the LR input."""

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
    rounding: float,
    tiles: Mapping[int, TileEquality],
    quantized: Quantized | None,
    int8_speed: Mapping[int, Comparison] | None,
) -> str:
    """
    Args:
        card: the card of the file.
        traced: the graph that torch wrote.
        shipped: the graph before the final passes.
        outcomes: one for each pass, in order.
        differences: LR size -> the largest difference between the file and the network in float64, in [0, 1].
        rounding: the largest difference between the network in float32 and in float64.
        tiles: halo in pixels -> the difference between an image in tiles and the whole image.
        quantized: the cost of int8; None for a float file.
        int8_speed: threads -> the float graph against the int8 graph.
    """
    passes = [asdict(outcome) | ({"gain": outcome.speed.speedup} if outcome.speed else {}) for outcome in outcomes]
    contents: dict[str, Any] = {
        "traced": asdict(traced),
        "shipped": asdict(shipped),
        "passes": passes,
        "largest_difference": {f"{height}x{width}": value for (height, width), value in differences.items()},
        "largest_difference_of_torch_float32": rounding,
        "halo": {
            "propagated_px": card.halo_px,
            "confirmed_by_perturbation": True,
            "measured_8bit_px": card.halo_8bit_px,
        },
        "tiles": {f"halo {halo} px": asdict(equality) for halo, equality in tiles.items()},
        "bytes_per_px": card.bytes_per_px,
        "quality": {name: asdict(figures) for name, figures in card.quality.items()},
    }
    if quantized is not None and int8_speed is not None:
        contents["int8"] = {
            "psnr_drop_db": quantized.psnr_drop_db,
            "worst_drop_db": quantized.worst_drop_db,
            "validated_on": quantized.validated_on,
            "layers": quantized.layers,
            "kept_in_float": quantized.kept_in_float,
            "speed": {
                f"{threads} threads": asdict(speed) | {"gain": speed.speedup} for threads, speed in int8_speed.items()
            },
        }
    return json.dumps(contents, indent=2) + "\n"
