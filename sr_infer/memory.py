"""Amounts of memory: parse them, print them, and find the budget of a call."""

import math
import re

from sr_infer.errors import OptionError
from sr_infer.resources import available_memory_bytes

DEFAULT_SHARE = 0.5
"""Without `max_memory` a call takes at most this share of the memory that is available when it starts."""

_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "KI": 2**10, "MI": 2**20, "GI": 2**30}


def parse_bytes(amount: int | str) -> int:
    """Bytes of an amount such as 512_000_000, "512MB" (10**6) or "0.5 GiB" (2**30).

    Raises:
        OptionError: not a positive amount.
    """
    match = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Z]*)\s*", str(amount).upper())
    factor = _UNITS.get(match[2].removesuffix("B")) if match else None
    if match is None or factor is None:
        raise OptionError(f'expected an amount of memory such as "512MB", "1.5GiB" or bytes, got {amount!r}')
    parsed = float(match[1]) * factor
    if not 1 <= parsed < math.inf:
        raise OptionError(f"expected a positive amount of memory, got {amount!r}")
    return int(parsed)


def budget_bytes(max_memory: int | str | None) -> int:
    """Memory that a call may add to the process: `max_memory`, or a share of what is available now."""
    return int(available_memory_bytes() * DEFAULT_SHARE) if max_memory is None else parse_bytes(max_memory)


def format_bytes(amount: int) -> str:
    """Print an amount in whole MB, rounded up, so that the printed amount suffices as a budget: "512MB"."""
    return f"{-(-amount // 10**6)}MB"
