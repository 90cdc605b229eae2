"""The end of every export: the file computes what the network computes."""

import numpy as np
import onnx
import onnxruntime
import torch
from torch import nn

from sr_infer.errors import SrInferError

SIZES_HW = ((1, 1), (2, 3), (7, 5), (24, 33), (64, 48))
"""Tiny, odd and oblong LR pictures."""
TOLERANCE = 1e-4
"""Largest difference in [0, 1]: a fortieth of an 8-bit level."""


class VerificationError(SrInferError):
    """The exported graph computes something else than the network."""


def verify(network: nn.Module, model: onnx.ModelProto) -> float:
    """Compare torch and onnxruntime on random pictures of every size in `SIZES_HW`, in batches of 2.

    Args:
        network: takes and gives (N, 3, H, W) in [0, 1].
        model: its graph, with input `lr` and output `sr`.

    Returns:
        The largest difference found, in [0, 1].

    Raises:
        VerificationError: it is above 1e-4 at some size, or onnxruntime refuses the graph; the message says which.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors share no narrower base
        raise VerificationError(f"onnxruntime cannot load the exported graph: {error}") from error
    generator = torch.Generator().manual_seed(0)
    worst = 0.0
    for size_hw in SIZES_HW:
        lr = torch.rand((2, 3, *size_hw), generator=generator)
        with torch.no_grad():
            expected = network(lr).numpy()
        (found,) = session.run(["sr"], {"lr": lr.numpy()})
        difference = float(np.abs(found - expected).max()) if found.shape == expected.shape else float("inf")
        if not difference <= TOLERANCE:
            raise VerificationError(
                f"at {size_hw[0]}x{size_hw[1]} the exported graph differs from the network by {difference:.2e}, more "
                f"than {TOLERANCE:.0e}; nothing was written"
            )
        worst = max(worst, difference)
    return worst
