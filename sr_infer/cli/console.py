"""What all subcommands share at the console: exit codes, a closed standard output, and printing facts."""

import errno
import io
import json
import math
import os
import sys
from typing import Any, NoReturn

DONE, SOME_FAILED, NOTHING_DONE = 0, 1, 2
"""Exit codes of the `sr-infer` command."""


class _ClosedOutput(io.TextIOBase):
    """Standard output that was closed before the command started: writing to it is an error that names it."""

    @property
    def buffer(self) -> "_ClosedOutput":
        return self

    def write(self, text: object) -> NoReturn:
        raise OSError(errno.EBADF, "it is closed")

    def fileno(self) -> int:
        return 1


def secure_streams() -> None:
    """Give standard output to this command only, and bear streams that are closed.

    What libraries print to file descriptor 1 goes to standard error, so that it does not mix with an image or JSON on
    standard output. Closed descriptors are occupied, so that no result file gets their number and what is printed.
    """
    is_closed = sys.stdout is None
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115
    if is_closed:
        sys.stdout = _ClosedOutput()
        return
    sys.stdout.flush()
    own = os.dup(1)
    os.dup2(2, 1)
    sys.stdout = open(own, "w", encoding=sys.stdout.encoding, errors=sys.stdout.errors)  # noqa: SIM115


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
