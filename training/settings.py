"""Plain mappings (TOML tables, JSON objects) to validated frozen dataclasses."""

from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any, TypeVar

from sr_infer.errors import OptionError

_T = TypeVar("_T")


def read_settings(cls: type[_T], values: Mapping[str, Any], *, where: str) -> _T:
    """Make a `cls` of `values`; lists become tuples, and what the dataclass itself refuses is passed on.

    Args:
        cls: a dataclass.
        values: its fields by name.
        where: what the values belong to, for the error message.

    Raises:
        OptionError: a key is unknown or missing, or a value is refused; the message names it.
    """
    known = {f.name: f for f in fields(cls)}  # type: ignore[arg-type]
    if unknown := sorted(set(values) - set(known)):
        raise OptionError(f"{where}: unknown key {', '.join(unknown)}; known are {', '.join(known)}")
    required = {name for name, f in known.items() if f.default is MISSING and f.default_factory is MISSING}
    if missing := sorted(required - set(values)):
        raise OptionError(f"{where}: missing key {', '.join(missing)}")
    try:
        return cls(**{name: _tuples(value) for name, value in values.items()})
    except OptionError as error:
        raise OptionError(f"{where}: {error}") from error
    except TypeError as error:
        raise OptionError(f"{where}: a value has the wrong type ({error})") from error


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value
