"""Plain mappings (TOML tables, JSON objects) to validated frozen dataclasses."""

from collections.abc import Mapping
from dataclasses import MISSING, fields
from types import UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from sr_infer.errors import OptionError

_T = TypeVar("_T")


def read_settings(cls: type[_T], values: Mapping[str, Any], *, where: str) -> _T:
    """Make a `cls` of `values`; lists become tuples, and errors of the dataclass itself are passed on.

    Args:
        cls: a dataclass.
        values: its fields by name.
        where: what the values belong to, for the error message.

    Raises:
        OptionError: this is no table, a key is unknown or missing, or a value is refused; the message names it.
    """
    check_table(values, where=where)
    known = {f.name: f for f in fields(cls)}  # type: ignore[arg-type]
    if unknown := sorted(set(values) - set(known)):
        raise OptionError(f"{where}: unknown key {', '.join(unknown)}; known are {', '.join(known)}")
    required = {name for name, f in known.items() if f.default is MISSING and f.default_factory is MISSING}
    if missing := sorted(required - set(values)):
        raise OptionError(f"{where}: missing key {', '.join(missing)}")
    settings = {name: _tuples(value) for name, value in values.items()}
    hints = get_type_hints(cls)
    for name, value in settings.items():
        if not _is_of(value, hints[name]):
            raise OptionError(f"{where}: expected {name} to be {_words(hints[name])}, got {value!r}")
    try:
        return cls(**settings)
    except OptionError as error:
        raise OptionError(f"{where}: {error}") from error


def check_table(values: Any, *, where: str) -> None:
    """Raises OptionError if the value is no mapping."""
    if not isinstance(values, Mapping):
        raise OptionError(f"{where}: expected a table, got {values!r}")


def _is_of(value: Any, hint: Any) -> bool:
    """Whether a value is of a kind. Whole numbers count as floats; the class itself checks literals."""
    kinds = get_args(hint)
    if isinstance(hint, UnionType) or get_origin(hint) is Union:
        return any(_is_of(value, kind) for kind in kinds)
    if get_origin(hint) is Literal:
        return isinstance(value, type(kinds[0]))
    if get_origin(hint) is tuple:
        if not isinstance(value, tuple):
            return False
        each = kinds[:1] * len(value) if kinds[-1] is Ellipsis else kinds
        return len(value) == len(each) and all(map(_is_of, value, each))
    if isinstance(value, bool):
        return hint is bool
    return isinstance(value, (int, float) if hint is float else hint)


def _words(hint: Any) -> str:
    kinds = get_args(hint)
    if isinstance(hint, UnionType) or get_origin(hint) is Union:
        return " or ".join(map(_words, kinds))
    if get_origin(hint) is Literal:
        return type(kinds[0]).__name__
    return str(hint) if kinds else str(hint.__name__)


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value
