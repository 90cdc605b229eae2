"""An input and what torch makes of it, for a test of the exported file to replay."""

from pathlib import Path

import numpy as np
import torch

from exporters import measurements
from exporters.trace import UnitRange


def write_example(unit: UnitRange, path: Path) -> None:
    """Write what torch makes of a photograph's 24x32 px: `lr` and `sr`, uint8 (H, W, 3), as an .npz file."""
    lr = np.ascontiguousarray(measurements.photographs()[0][100:124, 200:232])
    batch = torch.from_numpy(lr.transpose(2, 0, 1).copy())[None].float() / 255
    with torch.no_grad():
        sr = unit(batch)[0].permute(1, 2, 0).clamp(0, 1).mul(255).round().byte().numpy()
    with path.open("wb") as file:
        np.savez_compressed(file, lr=lr, sr=sr)
