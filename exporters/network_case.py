"""One run of an exported network, as a case of `sr_infer.measure.peak_memory`; imports no torch."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from sr_infer.engine.session import shared


def network_case(path: str, side_px: int) -> Callable[[], object]:
    """The network of an .onnx file alone, on a square of noise."""
    session = shared(Path(path))
    channels = 1 if session.card.colour == "Y" else 3
    lr = np.random.default_rng(0).random((1, channels, side_px, side_px), np.float32)
    return lambda: session.run(lr)
