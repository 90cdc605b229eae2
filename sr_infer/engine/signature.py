"""The signature of a super-resolution network: which input takes the LR image and which output returns the SR image.

Networks with channel attention may let the caller replace their pooled statistics, the channel means over the input
(see `sr_infer.tiling.pooled_statistics`):

    output `pooled_out`  float32 (N, C_total, 1, 1): all means over the input, channel by channel, layer after layer
    input  `pooled`      float32 (1, C_total, 1, 1), optional
    input  `use_pooled`  bool or float32, scalar or one element, optional, initially false: use `pooled`
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sr_infer.engine.protocol import LoadedNetwork
from sr_infer.errors import ModelError

POOLED_OUTPUT, POOLED_INPUT, USE_POOLED_INPUT = "pooled_out", "pooled", "use_pooled"


@dataclass(frozen=True)
class Signature:
    """Inputs and outputs of a super-resolution network."""

    lr: str
    """Name of the input for the LR image."""
    sr: str
    """Name of the output with the SR image."""
    colour: Literal["RGB", "Y"]
    """Colour that the number of input channels implies."""
    window_px: int | None
    """Side of the square input if the size is fixed; None for any size."""
    use_pooled: NDArray[Any] | None
    """Value that switches the network to given pooled statistics; None for networks and engines without them."""

    @classmethod
    def of(cls, network: LoadedNetwork, name: str) -> "Signature":
        """Read the signature of a loaded network.

        Args:
            network: the network.
            name: name of the file, for messages.

        Raises:
            ModelError: the network does not take one float32 image batch (N, C, H, W) of any size or of one square
                size, or does not return such a batch.
        """
        outputs = {output.name: output for output in network.outputs}
        if len(network.inputs) != 1:
            names = [tensor.name for tensor in network.inputs]
            raise ModelError(f"{name}: expected one input, an image batch, got {names}")
        (lr,) = network.inputs
        sr = outputs.get("sr") or network.outputs[0]
        for tensor in (lr, sr):
            if len(tensor.shape) != 4 or tensor.dtype != np.float32:
                raise ModelError(f"{name}: expected float32 images of rank 4 (N, C, H, W), got {tensor}")
        _, channels, height, width = lr.shape
        if channels not in (None, 1, 3):
            raise ModelError(f"{name}: expected 1 or 3 input channels, got {channels}; is it an image network?")
        if height != width:
            raise ModelError(
                f"{name}: its input size is fixed to {width}x{height}; export it again for squares, or better with "
                "dynamic height and width"
            )
        optional = {tensor.name: tensor for tensor in network.optional_inputs}
        use_pooled = None
        if POOLED_OUTPUT in outputs and {POOLED_INPUT, USE_POOLED_INPUT} <= optional.keys():
            switch = optional[USE_POOLED_INPUT]
            use_pooled = np.ones([side or 1 for side in switch.shape], switch.dtype)
        return cls(lr.name, sr.name, "Y" if channels == 1 else "RGB", height, use_pooled)
