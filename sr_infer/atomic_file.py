"""Files that appear whole or not at all."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sr_infer.errors import OutputError


@contextmanager
def replacing(path: Path, *, make_folder: bool = False) -> Iterator[Path]:
    """A temporary file beside `path`, to be written: it takes its place when the block ends well, and vanishes else.

    Args:
        path: the file, which may be there already.
        make_folder: create the folder, and those above it, where they are missing.

    Raises:
        OutputError: at the beginning, where nothing can be written there; at the end, where the disk is full.
    """
    temporary = path.with_name(f".{secrets.token_hex(8)}.part")  # the longest name that is legal leaves no room
    try:
        if path.is_dir():
            raise IsADirectoryError("it is a folder")
        if make_folder:
            path.parent.mkdir(parents=True, exist_ok=True)
        temporary.touch()
        try:
            yield temporary
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except (OSError, ValueError) as error:
        raise OutputError(f"cannot write {path}: {getattr(error, 'strerror', None) or error}") from error
