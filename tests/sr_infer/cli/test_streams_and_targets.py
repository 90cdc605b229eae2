"""Closed streams, streams without end, special targets, and sources that must not be replaced."""

import os
import shlex
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import sr_infer
from sr_infer import OutputError, Upscaler

Command = Callable[..., subprocess.CompletedProcess[bytes]]
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a POSIX shell, FIFOs and modes")


@pytest.fixture
def picture(tmp_path: Path, astronaut: np.ndarray) -> Path:
    Image.fromarray(astronaut).save(tmp_path / "a.png")
    return tmp_path / "a.png"


def in_shell(line: str, folder: Path) -> subprocess.CompletedProcess[bytes]:
    """A line of bash in which `sr-infer` is this checkout's."""
    program = f'sr_infer() {{ {shlex.quote(sys.executable)} -m sr_infer "$@"; }}\n'
    environment = {**os.environ, "PYTHONPATH": str(Path(sr_infer.__file__).parents[1])}
    return subprocess.run(
        ["bash", "-c", program + line], cwd=folder, env=environment, capture_output=True, timeout=120, check=False
    )


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("sr_infer upscale a.png -o - -m {network} >&-", b"closed"),
        ("sr_infer models >&-", b"closed"),
        ("sr_infer upscale - -o b.png -m {network} <&-", b"closed"),
    ],
)
def test_closed_streams_end_in_one_line_and_code_2(line: str, says: bytes, picture: Path, network: Path) -> None:
    done = in_shell(line.format(network=network), picture.parent)
    assert done.returncode == 2, done.stderr
    assert says in done.stderr
    assert done.stderr.count(b"\n") == 1, done.stderr


def test_a_result_is_written_while_all_streams_are_closed(picture: Path, network: Path) -> None:
    done = in_shell(f"sr_infer upscale a.png -o b.png -m {network} <&- >&- 2>&-", picture.parent)
    assert done.returncode == 0
    assert Image.open(picture.parent / "b.png").width == 2 * Image.open(picture).width


def test_zeros_without_end_are_refused_early(tmp_path: Path) -> None:
    done = in_shell("sr_infer upscale - -o - < /dev/zero", tmp_path)
    assert done.returncode == 2
    assert b"not a picture" in done.stderr


def test_an_image_that_goes_on_for_ever_is_refused(picture: Path, network: Path) -> None:
    done = in_shell(f"cat a.png /dev/zero | sr_infer upscale - -o - -m {network} --max-memory 300MB", picture.parent)
    assert done.returncode == 2
    assert b"goes on after" in done.stderr


def test_what_libraries_print_does_not_mix_with_json(tmp_path: Path) -> None:
    """File descriptor 1 leads to standard error while the command runs."""
    script = (
        "import os, sys\nimport sr_infer.cli.models as models\n"
        "from sr_infer.cli import console\nconsole.secure_streams()\n"
        "os.write(1, b'a library prints'); print('{}', flush=True)"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(sr_infer.__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, check=True)
    assert (done.stdout, done.stderr) == (b"{}\n", b"a library prints")


@pytest.mark.parametrize("target", ["a.png", "./a.png", "link.png", "hard.png"])
def test_a_source_is_not_overwritten(target: str, picture: Path, network: Path, command: Command) -> None:
    (picture.parent / "link.png").symlink_to("a.png")
    os.link(picture, picture.parent / "hard.png")
    before = picture.read_bytes()
    with pytest.raises(OutputError, match="is the source itself"):
        Upscaler(network).upscale_file(picture, picture.parent / target)
    done = command("upscale", picture, "-o", picture.parent / target, "-m", network)
    assert done.returncode == 2
    assert picture.read_bytes() == before


def test_a_source_is_overwritten_where_that_is_meant(picture: Path, network: Path, command: Command) -> None:
    picture.chmod(0o600)
    width = Image.open(picture).width
    Upscaler(network).upscale_file(picture, picture, overwrite_source=True)
    assert Image.open(picture).width == 2 * width
    assert command("upscale", picture.parent, "--in-place", "-m", network).returncode == 0
    assert Image.open(picture).width == 4 * width
    assert stat.S_IMODE(picture.stat().st_mode) == 0o600


def test_a_result_is_as_private_as_its_source(picture: Path, network: Path) -> None:
    picture.chmod(0o600)
    Upscaler(network).upscale_file(picture, picture.parent / "large.png")
    assert stat.S_IMODE((picture.parent / "large.png").stat().st_mode) == 0o600


def test_devices_and_fifos_are_targets_and_sources(picture: Path, network: Path) -> None:
    folder = picture.parent
    assert in_shell(f"sr_infer upscale a.png -o /dev/null -m {network}", folder).returncode == 0
    os.mkfifo(folder / "in.png")
    os.mkfifo(folder / "out.png")
    line = f"cat a.png > in.png & cat out.png > got.png & sr_infer upscale in.png -o out.png -m {network}; wait"
    done = in_shell(line, folder)
    assert (done.returncode, done.stderr.count(b"Traceback")) == (0, 0), done.stderr
    assert Image.open(folder / "got.png").width == 2 * Image.open(picture).width


@pytest.mark.skipif(sys.platform != "linux", reason="limits as Linux counts them")
@pytest.mark.parametrize("limit", ["v", "d"])
def test_limits_of_the_process_end_in_a_result_or_in_one_line(limit: str, picture: Path, network: Path) -> None:
    for megabytes in (250, 350, 700):
        done = in_shell(
            f"ulimit -{limit} {megabytes * 1000}; sr_infer upscale a.png -o b.png -m {network}", picture.parent
        )
        assert done.returncode in (0, 2), done.stderr
        assert done.returncode == 0 or done.stderr.count(b"\n") == 1, done.stderr
