"""Torch networks and .onnx files of others to verified ONNX files: `export_network`, `python -m exporters.to_onnx`."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from exporters.export import export_network

__all__ = ["export_network"]


def __getattr__(name: str) -> Any:
    """Load torch only when the function is asked for."""
    if name == "export_network":
        from exporters.export import export_network

        return export_network
    raise AttributeError(f"module 'exporters' has no attribute {name!r}")
