"""`python -m benchmarks.faults`: provoke faults in real processes and check that nothing is lost.

Each kind of fault runs the `sr-infer` command several times. A case survives if the command ends in time, without a
traceback and with a documented exit code. Nothing is lost if every earlier file holds its old or its complete new
content, and no part file remains.
"""

import argparse
import os
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.photographs import load_photograph
from benchmarks.timing.machine import cpu_name
from sr_infer.atomic_file import atomic_write
from sr_infer.resources import usable_cpus

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "reliability.md"
TABLE_START = "<!-- printed by python -m benchmarks.faults -->"
MODEL = "srpn-lite-x2-int8"
_LIMIT_S = 120
_EXIT_CODES = {0, 1, 2, 128 + signal.SIGINT, 128 + signal.SIGTERM, -signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT}
"""Negative ones are processes that a signal ended; a shell shows 130 for both forms of an interrupt."""


@dataclass
class Tally:
    """Results of one kind of fault."""

    cases: int = 0
    survived: int = 0
    lost: list[str] = field(default_factory=list)
    """Descriptions of files that are missing, damaged or left over; empty if nothing is lost."""
    notes: list[str] = field(default_factory=list)

    def count(self, done: subprocess.CompletedProcess[bytes], note: str) -> None:
        """Count one finished command."""
        self.cases += 1
        is_clean = done.returncode in _EXIT_CODES and b"Traceback" not in done.stderr
        self.survived += is_clean
        if not is_clean:
            self.notes.append(f"{note}: exit code {done.returncode}, {done.stderr[-200:].decode(errors='replace')}")


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "sr_infer", *map(str, arguments)]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def finish(line: list[str]) -> subprocess.CompletedProcess[bytes]:
    """Run a command to its end with empty standard input."""
    return subprocess.run(
        line, stdin=subprocess.DEVNULL, capture_output=True, timeout=_LIMIT_S, env=environment(), check=False
    )


def run(*arguments: object, shell_limits: str = "") -> subprocess.CompletedProcess[bytes]:
    """Run one `sr-infer` command to its end, after the given `ulimit` commands of the shell."""
    line = command(*arguments)
    if shell_limits:
        line = ["bash", "-c", f'{shell_limits}; exec "$@"', "bash", *line]
    return finish(line)


@contextmanager
def scratch() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="sr-infer-faults-") as folder:
        yield Path(folder)


def photograph(path: Path, *, times: int = 1) -> Path:
    """Save a photograph of 451x300 px, repeated `times` times in both directions; returns its path."""
    strips = {"compression": "tiff_deflate"} if path.suffix == ".tif" else {}  # Pillow writes one strip without it
    Image.fromarray(np.tile(load_photograph("chelsea"), (times, times, 1))).save(path, **strips)
    return path


def _check_target(tally: Tally, target: Path, old: bytes) -> None:
    """Record a loss unless the target is the old file or a complete new image, without part files beside it."""
    content = target.read_bytes()
    if content != old and not _is_whole(target):
        tally.lost.append(f"{target.name} is neither the old file nor a whole image")
    tally.lost += [f"{part.name} is left over" for part in target.parent.glob(".*.part")]


def stop_while_writing(cases: int, stop: signal.Signals, *, suffix: str = ".png", times: int = 1) -> Tally:
    """Send a signal at a random moment before, while or after the result replaces an older file."""
    tally, rng = Tally(), np.random.default_rng(int(stop))
    with scratch() as folder:
        source, small = photograph(folder / f"in{suffix}", times=times), photograph(folder / "small.png")
        target = folder / f"out{suffix}"
        start = time.monotonic()
        run("upscale", source, "-o", target, "-m", MODEL)
        usual_s = time.monotonic() - start
        for case in range(cases):
            old = target.read_bytes()
            line = command("upscale", source, "-o", target, "-m", MODEL)
            with subprocess.Popen(line, stdout=-1, stderr=-1, env=environment()) as process:
                time.sleep(usual_s * rng.uniform(0.3, 1.05))
                process.send_signal(stop)
                out, error = process.communicate(timeout=_LIMIT_S)
            tally.count(subprocess.CompletedProcess(line, process.returncode, out, error), f"{stop.name} {case}")
            if stop == signal.SIGKILL:  # the next run in the folder deletes the part file of a killed run
                run("upscale", small, "-o", folder / "other.png", "-m", MODEL)
            _check_target(tally, target, old)
    return tally


def kills(cases: int) -> Tally:
    """Kill the command while it writes a PNG file."""
    return stop_while_writing(cases, signal.SIGKILL)


def kills_in_bands(cases: int) -> Tally:
    """Kill the command while it reads and writes a TIFF file of 18 megapixels in bands of rows."""
    return stop_while_writing(cases, signal.SIGKILL, suffix=".tif", times=12)


def terminations(cases: int) -> Tally:
    """Send SIGTERM while the command writes a PNG file."""
    return stop_while_writing(cases, signal.SIGTERM)


def interrupts(cases: int) -> Tally:
    """Send SIGINT while the command writes a PNG file."""
    return stop_while_writing(cases, signal.SIGINT)


def full_disk(cases: int) -> Tally:
    """Limit the size of files so that the result does not fit; the older file must stay."""
    tally = Tally()
    with scratch() as folder:
        source, target = photograph(folder / "in.png"), folder / "out.png"
        for case in range(cases):
            photograph(target)
            old = target.read_bytes()
            limit_kb = int(np.geomspace(1, 600, cases)[case])
            done = run("upscale", source, "-o", target, "-m", MODEL, shell_limits=f"trap '' XFSZ; ulimit -f {limit_kb}")
            tally.count(done, f"{limit_kb} kB")
            _check_target(tally, target, old)
            if done.returncode == 0:
                tally.lost.append(f"{limit_kb} kB: the command reports success")
    return tally


def full_disk_in_folder(cases: int) -> Tally:
    """Fill a disk in the middle of a folder run, make room, and run again with `--skip-existing`."""
    tally = Tally()
    for case in range(cases):
        with scratch() as folder, small_disk(folder / "disk", 1 << 20) as grow:
            if grow is None:
                tally.notes.append("not tried: this process may not mount a disk")
                return tally
            sources, disk = folder / "in", folder / "disk"
            sources.mkdir()
            for number in range(8):
                photograph(sources / f"{number}.png")
            line = ["upscale", sources, "-o", disk, "-m", MODEL, "--skip-existing", "--jobs", str(1 + case)]
            full = run(*line)
            tally.count(full, f"full, {1 + case} jobs")
            made = len(list(disk.glob("*.png")))
            if full.returncode != 1 or not 0 < made < 8:
                tally.lost.append(f"exit code {full.returncode} and {made} results on a disk for some of 8")
            tally.lost += [f"{part.name} is left over" for part in disk.glob(".*.part")]
            grow(16 << 20)
            again = run(*line)
            tally.count(again, f"again, {1 + case} jobs")
            whole = [path for path in disk.glob("*.png") if _is_whole(path)]
            if again.returncode or len(whole) != 8:
                tally.lost.append(f"{len(whole)} of 8 results after a second run with room")
    return tally


def full_disk_in_bands(cases: int) -> Tally:
    """A TIFF file of 18 megapixels that is written in bands on a disk with too little room."""
    tally = Tally()
    with scratch() as folder, small_disk(folder / "disk", 6 << 20) as grow:
        if grow is None:
            tally.notes.append("not tried: this process may not mount a disk")
            return tally
        source, target = photograph(folder / "in.tif", times=12), photograph(folder / "disk" / "out.tif")
        for case in range(cases):
            old = target.read_bytes()
            done = run("upscale", source, "-o", target, "-m", MODEL)
            tally.count(done, f"bands {case}")
            _check_target(tally, target, old)
            if done.returncode == 0:
                tally.lost.append("the command reports success")
    return tally


def _is_whole(path: Path) -> bool:
    try:
        with Image.open(path) as image:
            image.load()
    except OSError:
        return False
    return True


@contextmanager
def small_disk(folder: Path, size_bytes: int) -> Iterator[Callable[[int], object] | None]:
    """A file system of this size at `folder`, and a function that changes its size; None where none can be mounted."""
    folder.mkdir()
    if sys.platform != "linux" or not _mount(f"size={size_bytes}", folder):
        yield None
        return
    try:
        yield lambda larger_bytes: _mount(f"remount,size={larger_bytes}", folder)
    finally:
        subprocess.run(["umount", folder], check=True)


def _mount(options: str, folder: Path) -> bool:
    return (
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], stderr=-1, check=False).returncode == 0
    )


def damaged_pictures(cases: int) -> Tally:
    """Upscale a folder of images in which bytes are changed, removed or cut off."""
    tally, rng = Tally(), np.random.default_rng(3)
    with scratch() as folder:
        wholes = []
        for suffix in (".png", ".jpg", ".webp", ".tif", ".gif", ".bmp", ".jp2"):
            Image.fromarray(load_photograph("chelsea")[:40, :50]).save(folder / f"whole{suffix}")
            wholes.append(folder / f"whole{suffix}")
        (folder / "damaged").mkdir()
        for case in range(cases):
            whole = wholes[case % len(wholes)]
            (folder / "damaged" / f"{case}{whole.suffix}").write_bytes(_damage(whole.read_bytes(), rng))
        done = run("upscale", folder / "damaged", "-o", folder / "out", "-m", MODEL, "--max-pixels", "1000000")
        tally.count(done, "folder")
        told = done.stderr.count(b"\nsr-infer: ") + len(list((folder / "out").glob("*")))
        tally.cases, tally.survived = cases, cases if tally.survived else 0
        if told < cases:
            tally.lost.append(f"{cases - told} images have neither a result nor an error line")
    return tally


def _damage(whole: bytes, rng: np.random.Generator) -> bytes:
    damaged = bytearray(whole)
    start = int(rng.integers(len(damaged)))
    kind = rng.integers(3)
    if kind == 0:
        for position in rng.integers(0, len(damaged), 8):
            damaged[position] = rng.integers(256)
    elif kind == 1:
        del damaged[start : start + 30]
    else:
        del damaged[max(start, 1) :]
    return bytes(damaged)


def special_targets(cases: int) -> Tally:
    """Write to links, FIFOs, devices, private files and the source itself."""
    tally = Tally()
    with scratch() as folder:
        source = photograph(folder / "in.png")
        for _ in range(cases):
            real, link = folder / "real.png", folder / "link.png"
            link.unlink(missing_ok=True)
            photograph(real).chmod(0o600)
            link.symlink_to("real.png")
            tally.count(run("upscale", source, "-o", link, "-m", MODEL), "link")
            if not link.is_symlink() or Image.open(real).width != 902:
                tally.lost.append("the link, or what it points to")
            if stat.S_IMODE(real.stat().st_mode) != 0o600:
                tally.lost.append("the mode of a private file")
            fifo = folder / "fifo.png"
            fifo.unlink(missing_ok=True)
            os.mkfifo(fifo)
            read: list[bytes] = []
            reader = threading.Thread(target=lambda path, into: into.append(path.read_bytes()), args=(fifo, read))
            reader.start()
            tally.count(run("upscale", source, "-o", fifo, "-m", MODEL), "FIFO")
            reader.join(timeout=_LIMIT_S)
            if not stat.S_ISFIFO(fifo.stat().st_mode) or not read or not read[0].startswith(b"\x89PNG"):
                tally.lost.append("the FIFO")
            tally.count(run("upscale", source, "-o", "/dev/null", "-m", MODEL), "/dev/null")
            tally.count(run("upscale", source, "-o", source, "-m", MODEL), "its own source")
            if Image.open(source).width != 451:
                tally.lost.append("the source")
    return tally


def closed_streams(cases: int) -> Tally:
    """Close standard input, output or error before the command starts."""
    tally = Tally()
    with scratch() as folder:
        source = photograph(folder / "in.png")
        for _ in range(cases):
            for closed in ("<&-", ">&-", "2>&-", "<&- >&- 2>&-"):
                for arguments in (
                    ("upscale", source, "-o", "-", "-m", MODEL),
                    ("upscale", "-", "-o", folder / "o.png", "-m", MODEL),
                    ("models",),
                ):
                    line = ["bash", "-c", f'"$@" {closed}', "bash", *command(*arguments)]
                    done = finish(line)
                    tally.count(done, f"{closed} {arguments[0]}")
    return tally


def process_limits(cases: int) -> Tally:
    """Set `ulimit -v` and `ulimit -d` from 300 MB to 1.5 GB; expect a result or one line that says what to do."""
    tally = Tally()
    with scratch() as folder:
        source, target = photograph(folder / "in.png"), folder / "out.png"
        for limit in ("v", "d"):
            for megabytes in np.linspace(300, 1500, cases).astype(int):
                done = run(
                    "upscale", source, "-o", target, "-m", MODEL, shell_limits=f"ulimit -{limit} {megabytes * 1000}"
                )
                tally.count(done, f"ulimit -{limit} {megabytes} MB")
                if done.returncode and done.stderr.count(b"\n") != 1:
                    tally.notes.append(f"ulimit -{limit} {megabytes} MB: more than one line")
    return tally


def endless_input(cases: int) -> Tally:
    """Send 1.5 GB of zeros to standard input, which the command must refuse early."""
    tally = Tally()
    for _ in range(cases):
        line = ["bash", "-c", 'head -c 1500000000 /dev/zero | "$@"', "bash", *command("upscale", "-", "-o", "-")]
        done = finish(["bash", "-c", 'ulimit -v 2500000; exec "$@"', "bash", *line])
        tally.count(done, "zeros")
    return tally


def threads_at_once(cases: int) -> Tally:
    """Use one `Upscaler` in eight threads, which must return the same bytes."""
    tally = Tally()
    script = (
        "import sys; from concurrent.futures import ThreadPoolExecutor; from sr_infer import Upscaler\n"
        "data = open(sys.argv[1], 'rb').read(); up = Upscaler(sys.argv[2], threads=1)\n"
        "with ThreadPoolExecutor(8) as pool: results = set(pool.map(lambda _: up(data), range(8)))\n"
        "sys.exit(0 if len(results) == 1 else 'results differ')"
    )
    with scratch() as folder:
        source = photograph(folder / "in.png")
        for case in range(cases):
            line = [sys.executable, "-c", script, str(source), MODEL]
            done = finish(line)
            tally.count(done, f"threads {case}")
            if done.returncode:
                tally.lost.append(done.stderr[-200:].decode())
    return tally


def slow_renames(cases: int) -> Tally:
    """Send SIGTERM during a rename that takes a second, as on a network file system."""
    tally = Tally()
    script = (
        "import os, sys, time\nrename = os.replace\n"
        "def slow(*paths):\n    print('renaming', flush=True); time.sleep(1); rename(*paths)\n"
        "os.replace = slow\nfrom sr_infer.cli import main\nmain(sys.argv[1:])"
    )
    with scratch() as folder:
        source, target = photograph(folder / "in.png"), photograph(folder / "out.png")
        for case in range(cases):
            old = target.read_bytes()
            line = [sys.executable, "-c", script, "upscale", str(source), "-o", str(target), "-m", MODEL]
            with subprocess.Popen(line, stdout=-1, stderr=-1, env=environment()) as process:
                assert process.stdout is not None
                process.stdout.readline()
                process.send_signal(signal.SIGTERM)
                out, error = process.communicate(timeout=_LIMIT_S)
            tally.count(subprocess.CompletedProcess(line, process.returncode, out, error), f"rename {case}")
            _check_target(tally, target, old)
    return tally


def small_container(cases: int) -> Tally:
    """An image of 1920x1080 px and no budget, in a memory cgroup of 512 MB: nothing is killed."""
    tally = Tally()
    with scratch() as folder, memory_cgroup(512 << 20) as enter:
        if enter is None:
            tally.notes.append("not tried: this process may not make a memory cgroup")
            return tally
        source = folder / "in.png"
        Image.fromarray(np.tile(load_photograph("chelsea"), (4, 5, 1))[:1080, :1920]).save(source)
        for jobs in (1, 2)[:cases]:
            line = ["bash", "-c", f'{enter}; exec "$@"', "bash", *command("upscale", source, "-o", folder / str(jobs))]
            done = finish([*line, "-m", MODEL, "--jobs", str(jobs)])
            tally.count(done, f"{jobs} jobs")
            if done.returncode:
                tally.lost.append(f"no result: {done.stderr[-200:].decode(errors='replace')}")
    return tally


@contextmanager
def memory_cgroup(limit_bytes: int) -> Iterator[str | None]:
    """A line of shell that puts the shell into a new cgroup with this limit; None where none can be made."""
    v2 = Path("/sys/fs/cgroup/cgroup.controllers").exists()
    folder = Path("/sys/fs/cgroup", "" if v2 else "memory", f"sr-infer-faults-{os.getpid()}")
    try:
        folder.mkdir()
        (folder / ("memory.max" if v2 else "memory.limit_in_bytes")).write_text(str(limit_bytes))
    except OSError:
        yield None
        return
    try:
        yield f"echo $$ > {folder}/cgroup.procs"
    finally:
        folder.rmdir()


@dataclass(frozen=True)
class Kind:
    """A kind of fault, and the number of cases in a full and in a quick run."""

    name: str
    try_cases: Callable[[int], Tally]
    cases: int
    quick_cases: int


KINDS = (
    Kind("SIGKILL while a PNG is written", kills, 25, 1),
    Kind("SIGKILL while a TIFF of 18 megapixels is written in bands", kills_in_bands, 3, 0),
    Kind("SIGTERM while a PNG is written", terminations, 10, 1),
    Kind("SIGINT while a PNG is written", interrupts, 10, 1),
    Kind("files may have no more bytes (full disk)", full_disk, 8, 2),
    Kind("full disk in the middle of a folder run, then more room", full_disk_in_folder, 2, 0),
    Kind("full disk while a TIFF of 18 megapixels is written in bands", full_disk_in_bands, 2, 0),
    Kind("damaged pictures", damaged_pictures, 880, 70),
    Kind("links, FIFOs, devices, private files, the source as target", special_targets, 2, 1),
    Kind("closed standard streams", closed_streams, 1, 0),
    Kind("process limits (ulimit -v, -d)", process_limits, 5, 0),
    Kind("1920x1080 px in a container of 512 MB", small_container, 2, 0),
    Kind("1.5 GB of zeros on standard input", endless_input, 2, 0),
    Kind("eight threads on one Upscaler", threads_at_once, 2, 0),
    Kind("slow renames with SIGTERM", slow_renames, 3, 1),
)


def format_table(tallies: dict[str, Tally]) -> str:
    rows = ["| fault | cases | survived | nothing lost |", "|---|---|---|---|"]
    for name, tally in tallies.items():
        rows.append(f"| {name} | {tally.cases} | {tally.survived} | {'yes' if not tally.lost else 'NO'} |")
    return "\n".join([*rows, "", f"Run on {cpu_name()}, {usable_cpus()} cores."])


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="run few cases of each kind, and leave out the slow kinds")
    parser.add_argument("--write", action="store_true", help=f"write the table into {PAGE.relative_to(ROOT)}")
    parser.add_argument("--only", help="run only kinds whose name contains this text")
    options = parser.parse_args(arguments)
    tallies = {}
    for kind in KINDS:
        cases = kind.quick_cases if options.quick else kind.cases
        if cases and (options.only is None or options.only in kind.name):
            start = time.monotonic()
            tally = tallies[kind.name] = kind.try_cases(cases)
            print(f"{kind.name}: {tally.survived} of {tally.cases}, {time.monotonic() - start:.0f} s", file=sys.stderr)
            for line in (*tally.notes, *tally.lost):
                print(f"    {line}", file=sys.stderr)
    print(format_table(tallies))
    if options.write:
        before, _, _ = PAGE.read_text(encoding="utf-8").partition(TABLE_START)
        with atomic_write(PAGE) as part:
            part.write_text(f"{before}{TABLE_START}\n\n{format_table(tallies)}\n", encoding="utf-8")
    return 0 if all(tally.survived == tally.cases and not tally.lost for tally in tallies.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
