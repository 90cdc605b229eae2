"""Files that appear whole or not at all, with the rights of the file that they replace.

A result is written to a part file beside its target and renamed when it is complete. Until then only its owner can
read it. Its name, `.<host>-<pid>-<start>-<random>.part`, tells which process writes it, so that leftovers of killed
processes can be cleared. On Linux `open_atomic` writes to a file without a name where the file system has them; a kill
then leaves nothing.
"""

import contextlib
import os
import stat
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import BinaryIO

from sr_infer.errors import OutputError

_ABANDONED_AFTER_S = 24 * 3600
"""Part files of other machines and containers are cleared when nobody has written to them for so long."""


@contextmanager
def atomic_write(path: Path, *, make_folder: bool = False) -> Iterator[Path]:
    """Give a part file to be written: it replaces `path` if the block succeeds, and is deleted otherwise.

    A symbolic link stays: the file that it points to is replaced. Hard links of a replaced file keep its old content.
    Mode, owner and access control list of a replaced file stay, as far as the process may set them; the mode of a new
    file follows the umask. FIFOs and devices are written as streams when the block has succeeded.

    Args:
        path: the file, which may exist.
        make_folder: create the folder, and those above it, where they are missing.

    Raises:
        OutputError: nothing can be written there, or the disk is full.
    """
    with _as_output_errors(path):
        if is_stream(path):
            import shutil
            import tempfile

            with tempfile.TemporaryDirectory() as folder:
                part = Path(folder) / path.name
                part.touch()
                yield part
                with part.open("rb") as source, path.open("wb") as stream:
                    shutil.copyfileobj(source, stream)
            return
        target = _prepare(path, make_folder=make_folder)
        part = _part_beside(target)
        part.touch()
        try:
            new_mode = _make_private(part)
            yield part
            _give_rights(part, target, new_mode)
            os.replace(part, target)
        finally:
            part.unlink(missing_ok=True)


@contextmanager
def open_atomic(path: Path, *, like: Path | None = None) -> Iterator[BinaryIO]:
    """Give an empty seekable file, open for writing: it becomes `path` if the block succeeds, and vanishes otherwise.

    Args:
        path: as for `atomic_write`.
        like: a new file gets no right that this file does not have.

    Raises:
        OutputError: nothing can be written there, or the disk is full.
    """
    with _as_output_errors(path):
        if is_stream(path):
            import shutil
            import tempfile

            with tempfile.TemporaryFile() as file:
                yield file
                file.seek(0)
                with path.open("wb") as stream:
                    shutil.copyfileobj(file, stream)
            return
        target = _prepare(path, make_folder=False)
        part = _part_beside(target)
        try:
            unnamed = _open_unnamed(target.parent)
            with unnamed or part.open("xb") as file:
                new_mode = _make_private(file.fileno())
                yield file
                file.flush()
                if unnamed is not None:
                    _link(file.fileno(), part)
            if like is not None:
                new_mode &= _mode_of(like) | stat.S_IWUSR
            _give_rights(part, target, new_mode)
            os.replace(part, target)
        finally:
            part.unlink(missing_ok=True)


def is_same_file(a: Path, b: Path) -> bool:
    """Whether two paths lead to one regular file: through links, another spelling, or another name of it."""
    try:
        return a.samefile(b) and not is_stream(a)
    except OSError:
        return False


@contextmanager
def _as_output_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "ymlink" not in str(error):  # a loop of links, before Python 3.13
            raise
        raise OutputError(f"cannot write {path}: {getattr(error, 'strerror', None) or error}") from error


def is_stream(path: Path) -> bool:
    """Whether a path leads to a FIFO, a device, or a file that a process holds open (`/dev/stdout`)."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)) or str(path).startswith(("/dev/fd/", "/dev/std", "/proc/"))


def _prepare(path: Path, *, make_folder: bool) -> Path:
    """The file that is to be replaced, in a folder without leftovers."""
    target = path.resolve() if path.is_symlink() else path
    if target.is_dir():
        raise IsADirectoryError("it is a folder")
    if make_folder:
        target.parent.mkdir(parents=True, exist_ok=True)
    _clear_leftovers(target.parent.absolute())
    return target


def _part_beside(target: Path) -> Path:
    # the random part and nothing of the target's name: the longest legal name leaves no room
    return target.with_name(f".{_host_tag()}-{os.getpid()}-{_start_ticks(os.getpid())}-{os.urandom(4).hex()}.part")


def _open_unnamed(folder: Path) -> BinaryIO | None:
    """A file in `folder` that has no name yet; None where the system or the file system has no such files."""
    if not hasattr(os, "O_TMPFILE"):
        return None
    try:
        return os.fdopen(os.open(folder, os.O_RDWR | os.O_TMPFILE, 0o666), "w+b")
    except OSError:
        return None


def _link(descriptor: int, part: Path) -> None:
    """Give an unnamed file a name. A directory descriptor makes Python call linkat, which follows the link in /proc."""
    proc = os.open("/proc/self/fd", os.O_RDONLY)
    try:
        os.link(str(descriptor), part, src_dir_fd=proc, follow_symlinks=True)
    finally:
        os.close(proc)


def _mode_of(file: Path | int) -> int:
    return stat.S_IMODE(os.stat(file).st_mode)


def _make_private(file: Path | int) -> int:
    """Let only the owner read and write a new file; returns the mode that the umask gave it."""
    mode = _mode_of(file)
    if os.chmod in os.supports_fd or isinstance(file, Path):
        os.chmod(file, stat.S_IRUSR | stat.S_IWUSR)
    return mode


def _give_rights(part: Path, target: Path, new_mode: int) -> None:
    """Mode, owner and access control list of the file that is replaced; `new_mode` where there is none."""
    if not target.exists():
        part.chmod(new_mode)
        return
    old = target.stat()
    mode = stat.S_IMODE(old.st_mode)
    if hasattr(os, "chown"):
        with contextlib.suppress(OSError):  # only root gives files away
            os.chown(part, old.st_uid, old.st_gid)
        if part.stat().st_gid != old.st_gid:  # another group must not get what the old one had
            mode &= ~stat.S_IRWXG
    part.chmod(mode)
    if hasattr(os, "getxattr"):
        with contextlib.suppress(OSError):  # no list, or a file system without any
            os.setxattr(part, "system.posix_acl_access", os.getxattr(target, "system.posix_acl_access"))


_cleared_folders: set[Path] = set()


def _clear_leftovers(folder: Path) -> None:
    """Delete part files whose process is dead, once for each folder and process."""
    if folder in _cleared_folders:
        return
    _cleared_folders.add(folder)
    with contextlib.suppress(OSError):  # the folder cannot be listed, or another process clears it, too
        for path in folder.glob(".*-*-*-*.part"):
            if _is_left_over(path):
                path.unlink(missing_ok=True)


def _is_left_over(path: Path) -> bool:
    host, pid, start, _ = path.name.removeprefix(".").rsplit("-", 3)
    if host != _host_tag():
        return time.time() - path.stat().st_mtime > _ABANDONED_AFTER_S
    if not (pid.isdecimal() and start.isdecimal()):
        return False
    if start != "0":
        return _start_ticks(int(pid)) != int(start)
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


@cache
def _host_tag() -> str:
    """Names the machine since its start, and the container: only there does a process number mean anything."""
    facts = [os.uname().nodename if hasattr(os, "uname") else os.environ.get("COMPUTERNAME", "")]
    with contextlib.suppress(OSError):
        facts += [Path("/proc/sys/kernel/random/boot_id").read_text(), os.readlink("/proc/self/ns/pid")]
    return f"{zlib.crc32(''.join(facts).encode()):08x}"


def _start_ticks(pid: int) -> int:
    """When a process started, in clock ticks since the start of the machine; 0 where that is not known."""
    try:
        return int(
            Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[19]
        )
    except OSError:
        return 0
