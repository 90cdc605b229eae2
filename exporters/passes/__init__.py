"""Graph passes: each rewrites an ONNX graph and leaves its function as it was."""
