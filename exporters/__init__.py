"""Torch networks to verified ONNX files: `python -m exporters.to_onnx`."""
