"""`run.json` in a run's folder: what a compression began with, so that `--resume` goes on with nothing else."""

import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from sr_infer.atomic_file import atomic_write
from sr_infer.errors import ModelError, OptionError
from training.loop.distributed import Processes

LENGTHS = ("steps", "validate_every")
"""Of trainings; these may change in a run."""


def begin(out: Path, began: Mapping[str, Any], *, resume: bool) -> None:
    """Write down what a run in `out` begins with, or compare it.

    Args:
        out: the run's folder.
        began: what decides on the result, as JSON can hold it.
        resume: go on with a run that is there.

    Raises:
        OptionError: `out` holds a run and `resume` is not set.
        ModelError: the run in `out` began with something else; the message names it.
        OutputError: the file cannot be written.
    """
    path, processes = out / "run.json", Processes()
    now = json.loads(json.dumps(without_lengths(began)))
    if processes.rank == 0:
        if not path.exists():
            with atomic_write(path, make_folder=True) as temporary:
                temporary.write_text(json.dumps(now, indent=2), encoding="utf-8")
        elif not resume:
            raise OptionError(f"{out} holds a run; go on with --resume, or give another --out")
        else:
            _compare(_read(path), now, out)
    processes.wait()


def fingerprint(file: Path | None) -> str:
    """SHA-256 of a file's content; of None nothing."""
    return sha256(file.read_bytes()).hexdigest() if file else ""


def without_lengths(value: Any) -> Any:
    """Nested tables without the lengths of trainings."""
    if isinstance(value, Mapping):
        return {key: without_lengths(item) for key, item in value.items() if key not in LENGTHS}
    return value


def _read(path: Path) -> dict[str, Any]:
    try:
        then = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"cannot read {path}: {error}; give another --out") from error
    return then if isinstance(then, dict) else {}


def _compare(then: Mapping[str, Any], now: Mapping[str, Any], out: Path) -> None:
    if other := [key for key in now if then.get(key) != now[key]]:
        raise ModelError(f"the run in {out} began with another {' and another '.join(other)}; give another --out")
