"""The value ranges of tensors in a graph."""

from collections.abc import Sequence

import numpy as np
import onnx

from exporters.run_graph import Batch, intermediate_tensors

Range = tuple[float, float]

CUT_SHARE = 1e-6
"""Share of a tensor's values that may lie outside its range on each side: outliers would make all steps coarser. With
ten times this share, images with hard edges lost up to 1.4 dB."""
TAIL = 512
"""How many values are kept on each side: enough for 500 million values."""


def activation_ranges(model: onnx.ModelProto, tensors: Sequence[str], crops: Sequence[Batch]) -> dict[str, Range]:
    """Lowest and highest value of tensors on the crops, without the outermost 1 in 1,000,000 values on each side."""
    tails = {name: _Tails() for name in tensors}
    for values in intermediate_tensors(model, tensors, crops):
        for name in tensors:
            tails[name].add(values[name])
    return {name: tail.range() for name, tail in tails.items()}


class _Tails:
    """The outermost values of a tensor over many images, sorted."""

    def __init__(self) -> None:
        self._seen = 0
        self._low = self._high = np.zeros(0, np.float32)

    def add(self, values: Batch) -> None:
        flat = values.ravel()
        low, high = flat, flat
        if self._seen >= TAIL:
            low, high = flat[flat < self._low[-1]], flat[flat > self._high[0]]
        self._seen += flat.size
        self._low = np.sort(np.r_[self._low, _outermost(low, TAIL)])[:TAIL]
        self._high = np.sort(np.r_[self._high, -_outermost(-high, TAIL)])[-TAIL:]

    def range(self) -> Range:
        cut = min(int(self._seen * CUT_SHARE), TAIL - 1)
        return float(self._low[cut]), float(self._high[-1 - cut])


def _outermost(values: Batch, few: int) -> Batch:
    """The lowest ones."""
    return np.partition(values, few - 1)[:few] if few < values.size else values
