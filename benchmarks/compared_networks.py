"""The networks on which engines are compared, by name.

A name is either a float model of ours, with weights in `weights/`, or "<alternative> x<scale>" from
`benchmarks.alternatives`, with random weights.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sr_infer.errors import ModelNotFoundError

WEIGHTS = Path(__file__).parent.parent / "weights"


def find_weights(network: str) -> Path | None:
    """The path of the weights; None for an alternative, because its weights are random.

    Raises:
        ModelNotFoundError: there is no such file.
    """
    if " x" in network:
        return None
    path = WEIGHTS / f"{network}.safetensors"
    if not path.is_file():
        raise ModelNotFoundError(f"expected weights at {path}, found none; other engines need them")
    return path


def make_noise(network: str, side_px: int) -> NDArray[np.float32]:
    """A random LR image for the network, (1, C, side, side) in [0, 1]; it is the same in every run."""
    channels = 1 if network.startswith("FSRCNN") else 3
    return np.random.default_rng(0).random((1, channels, side_px, side_px), np.float32)
