"""Width lists of configurations: an empty one means dense, and every one has the length that the network needs."""

from typing import Any

from sr_infer.errors import OptionError

Widths = tuple[int, ...] | tuple[tuple[int, ...], ...]


def fill_widths(config: Any, name: str, dense: Widths) -> None:
    """Set the field `name` of a frozen dataclass to `dense` if it is empty.

    Raises:
        OptionError: it is not empty and its length, or that of a list in it, is not the one of `dense`.
    """
    if not getattr(config, name):
        object.__setattr__(config, name, dense)
    _check_lengths(name, getattr(config, name), dense)


def _check_lengths(name: str, widths: Widths, dense: Widths) -> None:
    if len(widths) != len(dense):
        raise OptionError(f"{name} needs {len(dense)} entries, got {len(widths)}")
    for index, (entry, dense_entry) in enumerate(zip(widths, dense, strict=True)):
        if isinstance(entry, tuple) and isinstance(dense_entry, tuple):
            _check_lengths(f"{name}[{index}]", entry, dense_entry)
