"""The file itself: a graph with its model card."""

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import onnx

from sr_infer.model_card import METADATA_KEY, ModelCard

_TOOLS = ("sr-infer", "torch", "onnx", "onnxscript", "onnxsim", "onnxruntime")


def tool_versions() -> dict[str, str]:
    """Versions of the packages that take part in an export."""
    return {tool: version(tool) for tool in _TOOLS}


def write_model(model: onnx.ModelProto, card: ModelCard, path: Path, metadata: Mapping[str, str] | None = None) -> None:
    """Write `model` with `card` and `metadata` as its only metadata."""
    del model.metadata_props[:]
    for key, value in {**(metadata or {}), METADATA_KEY: card.to_json()}.items():
        model.metadata_props.add(key=key, value=value)
    model.producer_name, model.producer_version = "sr-infer", card.exporter["sr-infer"]
    path.write_bytes(model.SerializeToString())
