"""The file itself: a graph with its model card."""

from importlib.metadata import version
from pathlib import Path

import onnx

from sr_infer.model_card import METADATA_KEY, ModelCard

_TOOLS = ("sr-infer", "torch", "onnx", "onnxscript", "onnxsim", "onnxruntime")


def tool_versions() -> dict[str, str]:
    """Versions of the packages that take part in an export."""
    return {tool: version(tool) for tool in _TOOLS}


def write_model(model: onnx.ModelProto, card: ModelCard, path: Path) -> None:
    """Write `model` with `card` as its only metadata."""
    del model.metadata_props[:]
    model.metadata_props.add(key=METADATA_KEY, value=card.to_json())
    model.producer_name, model.producer_version = "sr-infer", card.exporter["sr-infer"]
    path.write_bytes(model.SerializeToString())
