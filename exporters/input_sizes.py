"""Which input sizes a network takes, found by trying."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sr_infer.errors import ModelError

LARGE_PX = 64
"""The largest smallest side that is looked for."""
MULTIPLES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64)

Enlarge = Callable[[int, int], Sequence[int]]
"""LR height and width -> the shape of the result; raises ModelError where the network fails."""


@dataclass(frozen=True)
class InputSizes:
    """Conditions on the sides of a network's input."""

    min_size_px: int
    multiple_of_px: int


def find_input_sizes(enlarge: Enlarge, *, scale: int) -> InputSizes:
    """Try sizes until the smallest side and the multiple are known.

    Args:
        enlarge: runs the network on a size.
        scale: wanted output side over input side.

    Raises:
        ModelError: no tried size gives a result of `scale` times the size; the message says what came out.
    """
    failures: list[str] = []
    other_sizes: list[str] = []

    def takes(height: int, width: int) -> bool:
        try:
            found = tuple(enlarge(height, width))
        except ModelError as error:
            failures.append(str(error))
            return False
        if found[-2:] != (scale * height, scale * width):
            other_sizes.append(f"{'x'.join(map(str, found))} from a picture of {height}x{width}")
            return False
        return True

    for multiple in MULTIPLES:
        first = LARGE_PX
        if all(takes(first + multiple * more, first + multiple * (more + 1)) for more in range(3)):
            return InputSizes(_smallest(takes, multiple), multiple)
    raise ModelError(f"expected a picture enlarged by {scale}, got {(other_sizes + failures)[0]}")


def _smallest(takes: Callable[[int, int], bool], multiple: int) -> int:
    """The smallest multiple that is taken, where larger ones are, too."""
    low, high = 1, -(-LARGE_PX // multiple)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if takes(middle * multiple, middle * multiple) else (middle + 1, high)
    return low * multiple
