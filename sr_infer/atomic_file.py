"""Write files that appear whole or not at all."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sr_infer.errors import OutputError


@contextmanager
def atomic_write(path: Path, *, make_folder: bool = False) -> Iterator[Path]:
    """Yield a temporary file beside `path`. It replaces `path` if the block succeeds and is deleted otherwise.

    Args:
        path: the file; it may exist.
        make_folder: create missing folders.

    Raises:
        OutputError: the file cannot be written: at the start if the folder refuses it, at the end if the disk is full.
    """
    # the name of `path` may already have the longest legal length, so nothing is added to it
    temporary = path.with_name(f".{secrets.token_hex(8)}.part")
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
