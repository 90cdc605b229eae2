"""Files appear whole or not at all, keep their rights, and leave nothing of a killed process behind."""

import os
import signal
import stat
import struct
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from sr_infer.atomic_file import atomic_write, open_atomic
from sr_infer.errors import OutputError

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="modes, links and FIFOs of POSIX")


def write_through_path(path: Path, data: bytes) -> None:
    with atomic_write(path) as part:
        part.write_bytes(data)


def write_through_file(path: Path, data: bytes) -> None:
    with open_atomic(path) as file:
        file.write(data)


@pytest.fixture(params=[write_through_path, write_through_file])
def write(request: pytest.FixtureRequest) -> Callable[[Path, bytes], None]:
    return request.param


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_replaced_file_keeps_mode_and_owner(write: Callable[[Path, bytes], None], tmp_path: Path) -> None:
    path = tmp_path / "private.png"
    path.write_bytes(b"old")
    path.chmod(0o600)
    owner = (1234, 1234) if os.geteuid() == 0 else (os.getuid(), os.getgid())
    os.chown(path, *owner)
    write(path, b"new")
    assert (path.read_bytes(), mode_of(path)) == (b"new", 0o600)
    assert (path.stat().st_uid, path.stat().st_gid) == owner


def test_a_new_file_follows_the_umask(write: Callable[[Path, bytes], None], tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write(tmp_path / "new.png", b"new")
    finally:
        os.umask(before)
    assert mode_of(tmp_path / "new.png") == 0o640


def test_a_new_file_gets_no_right_that_its_source_lacks(tmp_path: Path) -> None:
    source = tmp_path / "source.png"
    source.write_bytes(b"")
    source.chmod(0o400)
    with open_atomic(tmp_path / "result.png", like=source) as file:
        file.write(b"new")
    assert mode_of(tmp_path / "result.png") == 0o600


def test_nobody_else_reads_a_file_that_is_being_written(tmp_path: Path) -> None:
    with atomic_write(tmp_path / "new.png") as part:
        assert mode_of(part) == 0o600


def test_a_link_stays_and_its_target_is_replaced(write: Callable[[Path, bytes], None], tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    target = tmp_path / "elsewhere" / "real.png"
    target.write_bytes(b"old")
    link = tmp_path / "link.png"
    link.symlink_to("elsewhere/real.png")
    write(link, b"new")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"


def test_a_fifo_is_written_as_a_stream(write: Callable[[Path, bytes], None], tmp_path: Path) -> None:
    fifo = tmp_path / "fifo.png"
    os.mkfifo(fifo)
    with subprocess.Popen([sys.executable, "-c", f"print(open({str(fifo)!r}, 'rb').read())"], stdout=-1) as reader:
        write(fifo, b"streamed")
        assert reader.communicate(timeout=60)[0].strip() == b"b'streamed'"
    assert stat.S_ISFIFO(fifo.stat().st_mode)


def test_a_device_is_written_to(write: Callable[[Path, bytes], None]) -> None:
    write(Path("/dev/null"), b"nothing")
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)


def test_a_link_to_itself_and_a_folder_are_refused(write: Callable[[Path, bytes], None], tmp_path: Path) -> None:
    loop = tmp_path / "loop.png"
    loop.symlink_to(loop)
    for path in (loop, tmp_path, tmp_path / "missing" / "a.png"):
        with pytest.raises(OutputError, match="cannot write"):
            write(path, b"")


@pytest.mark.parametrize("opened", [atomic_write, open_atomic])
def test_a_failure_leaves_the_old_file(
    opened: Callable[[Path], AbstractContextManager[object]], tmp_path: Path
) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"old")
    with pytest.raises(RuntimeError, match="on the way"), opened(path):
        raise RuntimeError("on the way")
    assert os.listdir(tmp_path) == ["a.png"]
    assert path.read_bytes() == b"old"


def test_leftovers_of_killed_processes_are_cleared_and_those_of_live_ones_are_not(tmp_path: Path) -> None:
    writer = (
        "import sys; from pathlib import Path; from sr_infer.atomic_file import atomic_write\n"
        "with atomic_write(Path(sys.argv[1])): print('writing', flush=True); sys.stdin.read()"
    )
    clearer = (
        "import sys; from pathlib import Path; from sr_infer.atomic_file import open_atomic\n"
        "with open_atomic(Path(sys.argv[1])): pass"
    )
    command = [sys.executable, "-c", writer, tmp_path / "a.png"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        (part,) = tmp_path.glob(".*.part")
        subprocess.run([sys.executable, "-c", clearer, tmp_path / "b.png"], check=True)
        assert part.exists()
        process.send_signal(signal.SIGKILL)
    assert part.exists()
    subprocess.run([sys.executable, "-c", clearer, tmp_path / "b.png"], check=True)
    assert not part.exists()


def test_a_kill_leaves_nothing_where_the_file_system_has_unnamed_files(tmp_path: Path) -> None:
    if not hasattr(os, "O_TMPFILE"):
        pytest.skip("needs Linux")
    try:
        os.close(os.open(tmp_path, os.O_RDWR | os.O_TMPFILE))
    except OSError:
        pytest.skip("this file system has no unnamed files")
    writer = (
        "import sys; from pathlib import Path; from sr_infer.atomic_file import open_atomic\n"
        "with open_atomic(Path(sys.argv[1])) as file:\n"
        " file.write(bytes(10**6)); file.flush(); print('writing', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", writer, tmp_path / "a.png"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.kill()
    assert list(tmp_path.iterdir()) == []


def test_threads_write_one_file_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    writers = [threading.Thread(target=write_through_file, args=(path, bytes([i]) * 100_000)) for i in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    content = path.read_bytes()
    assert len(content) == 100_000
    assert len(set(content)) == 1


def test_a_replaced_file_keeps_its_access_control_list(write: Callable[[Path, bytes], None], tmp_path: Path) -> None:
    if not hasattr(os, "setxattr"):
        pytest.skip("needs Linux")
    path = tmp_path / "shared.png"
    path.write_bytes(b"old")
    user_obj, user, group_obj, mask, other, nobody = 1, 2, 4, 16, 32, 0xFFFFFFFF
    entries = [(user_obj, 6, nobody), (user, 6, 1234), (group_obj, 4, nobody), (mask, 6, nobody), (other, 0, nobody)]
    acl = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)
    try:
        os.setxattr(path, "system.posix_acl_access", acl)
    except OSError:
        pytest.skip("this file system has no access control lists")
    write(path, b"new")
    assert path.read_bytes() == b"new"
    assert os.getxattr(path, "system.posix_acl_access") == acl
