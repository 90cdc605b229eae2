"""`run.json` in a run's folder: the settings that a run started with. `--resume` continues only with the same ones."""

import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from sr_infer.atomic_file import atomic_write
from sr_infer.errors import OptionError, RunError
from training.loop.distributed import Processes

LENGTHS = ("steps", "validate_every")
"""Keys of `[training]` tables that may change between the parts of a run."""


def check_run_manifest(out: Path, settings: Mapping[str, Any], *, resume: bool) -> None:
    """Write the settings of a new run in `out`, or compare them with those of the run that is there.

    Args:
        out: the run's folder.
        settings: everything that decides the result, as JSON values.
        resume: continue a run that is there.

    Raises:
        OptionError: `out` holds a run and `resume` is not set.
        RunError: the run in `out` began with other settings; the message names them.
        OutputError: the file cannot be written.
    """
    path, processes = out / "run.json", Processes()
    if processes.rank == 0:
        if not path.exists():
            with atomic_write(path, make_folder=True) as temporary:
                temporary.write_text(json.dumps(drop_lengths(settings), indent=2), encoding="utf-8")
        elif not resume:
            raise OptionError(f"{out} holds a run; go on with --resume, or give another --out")
        else:
            require_same_run(out, _read(path), settings)
    processes.wait()


def require_same_run(place: Path, then: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Compare the settings that a run started with and those of now, without the lengths of trainings.

    Raises:
        RunError: some differ; the message names `place` and them.
    """
    before, after = (json.loads(json.dumps(drop_lengths(settings))) for settings in (then, now))
    if different := [key for key in after if before.get(key) != after[key]]:
        raise RunError(f"the run in {place} began with another {' and another '.join(different)}; give another --out")


def hash_file(file: Path | None) -> str:
    """SHA-256 of a file's content; an empty text for None."""
    return sha256(file.read_bytes()).hexdigest() if file else ""


def drop_lengths(value: Any) -> Any:
    """Nested tables without the keys of `LENGTHS`."""
    if isinstance(value, Mapping):
        return {key: drop_lengths(item) for key, item in value.items() if key not in LENGTHS}
    return value


def _read(path: Path) -> dict[str, Any]:
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"cannot read {path}: {error}; give another --out") from error
    return settings if isinstance(settings, dict) else {}
