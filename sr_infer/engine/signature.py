"""Where a network takes a picture in and gives it out, and whether it is a super-resolution network at all.

Networks with channel attention may bring their averages out and in (see `sr_infer.tiling.pooled_statistics`):

    output `pooled_out`  float32 (N, C_total, 1, 1): all averages over the input, channel by channel, layer after layer
    input  `pooled`      float32 (1, C_total, 1, 1), an initialiser that the caller may override
    input  `use_pooled`  bool or float32, scalar or one element, initially false: take `pooled` in place of averages
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sr_infer.errors import ModelError


@dataclass(frozen=True)
class NetworkEnds:
    """Names of a network's input and output."""

    lr: str
    sr: str
    colour: Literal["RGB", "Y"]
    """As the input's channels tell."""
    window_px: int | None
    """The side of the square that the input's size is fixed to; None takes any size."""
    use_pooled: NDArray[Any] | None
    """What switches the network to given averages, in the type that it wants; None where it has no such switch."""

    @classmethod
    def of(cls, runtime: Any, name: str) -> "NetworkEnds":
        """Look at the inputs and outputs of an onnxruntime session.

        Raises:
            ModelError: not one float32 image batch (N, C, H, W) of any size or of a fixed square in, and one out.
        """
        inputs, outputs = runtime.get_inputs(), {output.name: output for output in runtime.get_outputs()}
        if len(inputs) != 1:
            raise ModelError(f"{name}: expected one input, an image batch, got {[i.name for i in inputs]}")
        (lr,) = inputs
        sr = outputs.get("sr") or next(iter(outputs.values()))
        for end in (lr, sr):
            if len(end.shape) != 4 or end.type != "tensor(float)":
                found = f"{end.name!r} of {end.type} {end.shape}"
                raise ModelError(f"{name}: expected float32 images of rank 4 (N, C, H, W), got {found}")
        channels, *sides = lr.shape[1:]
        if isinstance(channels, int) and channels not in (1, 3):
            raise ModelError(f"{name}: expected 1 or 3 input channels, got {channels}; is it an image network?")
        window_px = sides[0] if isinstance(sides[0], int) else None
        if sides[0] != sides[1] and any(isinstance(side, int) for side in sides):
            raise ModelError(
                f"{name}: its input size is fixed to {lr.shape}; export it again for squares, or better with dynamic "
                "height and width"
            )
        overridable = {value.name: value for value in runtime.get_overridable_initializers()}
        use_pooled = None
        if "pooled_out" in outputs and {"pooled", "use_pooled"} <= overridable.keys():
            switch = overridable["use_pooled"]
            use_pooled = np.ones(switch.shape, bool if switch.type == "tensor(bool)" else np.float32)
        return cls(lr.name, sr.name, "Y" if channels == 1 else "RGB", window_px, use_pooled)
