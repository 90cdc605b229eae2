"""Engines that run a network: what an engine is, and onnxruntime as the one that ships."""
