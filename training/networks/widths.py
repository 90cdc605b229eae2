"""Check width lists of configurations; an empty list means dense."""

from typing import Any

from sr_infer.errors import OptionError

Widths = tuple[int, ...] | tuple[tuple[int, ...], ...]


def fill_widths(config: Any, name: str, dense: Widths) -> None:
    """Set the field `name` of a frozen dataclass to `dense` if it is empty.

    Raises:
        OptionError: its length, or that of a list in it, is not the one of `dense`, or a width is below 1.
    """
    if not getattr(config, name):
        object.__setattr__(config, name, dense)
    _check(name, getattr(config, name), dense)


def _check(name: str, widths: Widths, dense: Widths) -> None:
    if len(widths) != len(dense):
        raise OptionError(f"{name} needs {len(dense)} entries, got {len(widths)}")
    for index, (entry, dense_entry) in enumerate(zip(widths, dense, strict=True)):
        if isinstance(entry, tuple) and isinstance(dense_entry, tuple):
            _check(f"{name}[{index}]", entry, dense_entry)
        elif isinstance(entry, int) and entry < 1:
            raise OptionError(f"{name} needs entries of at least 1, got {entry}")
