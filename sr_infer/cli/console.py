"""What all subcommands share at the console: exit codes, a closed standard output, and printing facts."""

import json
import math
import os
import sys
from typing import Any

DONE, SOME_FAILED, NOTHING_DONE = 0, 1, 2
"""Exit codes of the `sr-infer` command."""


def discard_stdout() -> None:
    """Discard further output after the reader of standard output has gone; flushing it at exit would fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def print_facts(facts: dict[str, Any], *, as_json: bool) -> None:
    """Print facts as one JSON object, or as one line each."""
    if as_json:
        print(json.dumps({name: None if value == math.inf else value for name, value in facts.items()}))
        return
    for name, value in facts.items():
        if isinstance(value, list):
            value = ", ".join(map(str, value)) or "none"
        print(f"{name}: {value:.4f}" if isinstance(value, float) else f"{name}: {value}")
