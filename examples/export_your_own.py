"""Export a network of your own settings and run it. Needs `pip install ".[train,export]"`.

    python examples/export_your_own.py

The weights are random here; train them with `python -m training.train` first.
"""

from pathlib import Path

import numpy as np

import sr_infer
from exporters.export import export
from training.checkpoint import save_network
from training.networks import build_network, read_config

NETWORK = {"architecture": "edsr", "scale": 2, "blocks": 2, "width": 16, "tail": "shuffle"}


def main() -> None:
    network = build_network(*read_config(NETWORK, where="this example"))
    weights, file = Path("mine.safetensors"), Path("mine.onnx")
    save_network(weights, network, {"network": NETWORK}, history={})
    export(weights, file)
    large = sr_infer.upscale(np.zeros((24, 32, 3), np.uint8), model="./mine.onnx")
    print(f"{file}: {large.shape[1]}x{large.shape[0]} px")


if __name__ == "__main__":
    main()
