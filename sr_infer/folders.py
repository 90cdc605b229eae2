"""Upscale many image files: find the files, name the results, run several at once, and report each outcome."""

import glob
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import Literal, TypeAlias, TypeVar

from PIL import Image

from sr_infer import memory
from sr_infer.atomic_file import is_stream
from sr_infer.errors import CancelledError, OptionError, SrInferError
from sr_infer.image_io.formats import DEFAULT_QUALITY, by_suffix, is_picture_name
from sr_infer.image_io.writer import format_of_path
from sr_infer.resources import startable_threads
from sr_infer.upscaler import Upscaler

_Path = TypeVar("_Path", bound=PurePath)
_Identity: TypeAlias = tuple[int, int] | Path
"""Device and inode of a file, or the path of one that does not exist."""


@dataclass(frozen=True)
class Task:
    """One image file and the file of its result."""

    source: Path
    target: Path


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The outcome of a task."""

    source: Path
    target: Path
    status: Literal["done", "skipped", "failed"]
    seconds: float = 0.0
    error: str | None = None


@dataclass(frozen=True, kw_only=True)
class OutputOptions:
    """Size and encoding of all results; fields as in `Upscaler.upscale_file`."""

    scale: float | None = None
    width: int | None = None
    height: int | None = None
    quality: int = DEFAULT_QUALITY
    skip_existing: bool = False
    overwrite_source: bool = False


def tasks(inputs: Sequence[str], output: Path | None, *, suffix: str = "", extension: str | None = None) -> list[Task]:
    """Find the images that the inputs mean, each with its target.

    Args:
        inputs: files, globs, or folders. The tree of a folder is mirrored below `output`.
        output: a file, FIFO or device for one image, otherwise a folder; None replaces every image by its own result.
        suffix: text to add to each file's name, such as "-large".
        extension: format of all results, such as "png"; None keeps the format of each file, with PNG instead of formats
            that are not written.

    Raises:
        OptionError: there are no images, a name is not possible, two results have the same name, or a result would
            replace an input.
    """
    for part in (suffix, extension or ""):
        if set(part) & {"/", os.sep, "\0"}:
            raise OptionError(f"expected a part of a file's name, got {part!r}")
    given = [path for name in inputs for path in _expand(name)]
    if output is None:
        return _in_place(given, inputs, suffix, extension)
    named = {_identity(Path(name)) for name in inputs if os.path.isfile(name)}
    is_one_file = len(given) == 1 and not given[0].is_dir() and not output.is_dir()
    if is_one_file and is_stream(output) and not output.suffix:
        found = [Task(given[0], output)]
    elif is_one_file and output.suffix:
        if suffix or (extension and format_of_path(output) != format_of_path(renamed(output, "", extension))):
            raise OptionError(f"{output} is a file's whole name; leave out --suffix and --format, or name a folder")
        found = [Task(given[0], output)]
    else:
        pictures = [picture for path in given for picture in _pictures(path, output)]
        results = all_renamed([relative for _, relative in pictures], suffix, extension)
        found = [Task(source, output / result) for (source, _), result in zip(pictures, results, strict=True)]
    if len(found) > 1 and output.suffix.lower() in Image.registered_extensions() and not output.is_dir():
        raise OptionError(f"expected a folder for the results of {len(found)} pictures, got {output}")
    if not found:
        raise OptionError(f"expected pictures, found none in {', '.join(inputs)}")
    taken: dict[_Identity, Path] = {}
    for task in found:
        target = _identity(task.target)
        if target == _identity(task.source) and not is_stream(task.target):
            raise OptionError(
                f"{task.target} would replace its own picture; give a --suffix or another output, or --in-place"
            )
        if target in named:
            raise OptionError(f"{task.target} would replace a picture that is given; choose another --suffix or output")
        if target in taken:
            raise OptionError(f"{taken[target]} and {task.source} would both become {task.target}; rename one")
        taken[target] = task.source
    return _leave_out_results(found)


def _in_place(given: list[Path], inputs: Sequence[str], suffix: str, extension: str | None) -> list[Task]:
    if suffix or extension:
        raise OptionError("images that are replaced in place keep their names; leave out --suffix and --format")
    found = {_identity(path): path for folder in given for path, _ in _pictures(folder, None)}
    if not found:
        raise OptionError(f"expected pictures, found none in {', '.join(inputs)}")
    return [Task(path, path) for path in found.values()]


def _identity(path: Path) -> _Identity:
    """What two paths of one file have in common: links, other spellings and other names of it are one identity."""
    try:
        status = path.stat()
    except OSError:
        return path.resolve() if not path.is_symlink() else path.absolute()
    return status.st_dev, status.st_ino


def renamed(path: _Path, suffix: str, extension: str | None) -> _Path:
    """Path of a picture's result; `suffix` and `extension` as in `tasks`."""
    if extension is None:
        known = by_suffix(path)
        ending = path.suffix if known is None or known.is_written else ".png"
    else:
        ending = f".{extension.removeprefix('.')}"
    return path.with_name(f"{path.stem}{suffix}{ending}")


def all_renamed(paths: Sequence[_Path], suffix: str, extension: str | None) -> list[_Path]:
    """Paths of the results of several images. If two would have the same name, an image whose format changes keeps its
    full name, as in a.gif.png."""
    results = [renamed(path, suffix, extension) for path in paths]
    shared = {result for result, count in Counter(results).items() if count > 1}
    return [
        result.with_name(f"{path.name}{suffix}{result.suffix}")
        if result in shared and path.suffix != result.suffix
        else result
        for path, result in zip(paths, results, strict=True)
    ]


def run(
    upscaler: Upscaler,
    work: Sequence[Task],
    options: OutputOptions,
    *,
    jobs: int = 1,
    on_tile: Callable[[Path, int, int], None],
    on_outcome: Callable[[Outcome], None],
) -> list[Outcome]:
    """Upscale all images, also after one fails.

    The jobs share the threads and the memory of the upscaler. An interrupt never leaves a half-written file.

    Args:
        upscaler: upscales each image.
        work: tasks from `tasks`.
        options: size and encoding of the results.
        jobs: images at once.
        on_tile: called with image, done tiles and total tiles, from any thread.
        on_outcome: called with the outcome of each image, from any thread.

    Raises:
        OptionError: fewer than one job.
        KeyboardInterrupt: raised after the running images are cancelled.
    """
    share = split_among(upscaler, min(jobs, len(work)))
    interrupted = threading.Event()

    def one(task: Task) -> Outcome:
        outcome = _upscale(share, task, options, interrupted, on_tile)
        on_outcome(outcome)
        return outcome

    jobs = startable_threads(jobs)
    if jobs == 0:
        return [one(task) for task in work]
    pool = ThreadPoolExecutor(jobs)
    try:
        futures = [pool.submit(one, task) for task in work]
        for future in futures:
            while wait([future], timeout=0.2).not_done:
                pass  # an interrupt that another thread receives is raised here, between two waits
        return [future.result() for future in futures]
    except BaseException:
        interrupted.set()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def split_among(upscaler: Upscaler, jobs: int) -> Upscaler:
    """An upscaler with its share of threads and memory for `jobs` calls at once.

    Raises:
        OptionError: fewer than one job.
    """
    if jobs < 1:
        raise OptionError(f"expected jobs of at least 1, got {jobs}")
    if jobs == 1:
        return upscaler
    return replace(
        upscaler,
        threads=max(upscaler.thread_count // jobs, 1),
        max_memory=memory.budget_bytes(upscaler.max_memory) // jobs,
    )


def _upscale(
    upscaler: Upscaler,
    task: Task,
    options: OutputOptions,
    interrupted: threading.Event,
    on_tile: Callable[[Path, int, int], None],
) -> Outcome:
    if options.skip_existing and task.target.exists():
        return Outcome(source=task.source, target=task.target, status="skipped")

    def progress(done: int, total: int) -> bool:
        on_tile(task.source, done, total)
        return not interrupted.is_set()

    start = time.perf_counter()
    try:
        if interrupted.is_set():
            raise CancelledError("interrupted")
        task.target.parent.mkdir(parents=True, exist_ok=True)
        upscaler.upscale_file(
            task.source,
            task.target,
            scale=options.scale,
            width=options.width,
            height=options.height,
            quality=options.quality,
            overwrite_source=options.overwrite_source,
            progress=progress,
        )
    except Exception as error:
        reason = str(error) if isinstance(error, SrInferError | OSError) else f"{type(error).__name__}: {error}"
        return Outcome(source=task.source, target=task.target, status="failed", error=reason)
    return Outcome(source=task.source, target=task.target, status="done", seconds=time.perf_counter() - start)


def _expand(name: str) -> list[Path]:
    """Expand a glob that the shell did not expand."""
    if os.path.exists(name) or not glob.has_magic(name):
        return [Path(name)]
    return [Path(found) for found in sorted(glob.glob(name, recursive=True))]


def _leave_out_results(found: list[Task]) -> list[Task]:
    """Leave out images that an earlier run wrote, as with a suffix in the same folder."""
    made_of = {task.target.resolve(): task.source.resolve() for task in found}
    sources = [(task, task.source.resolve()) for task in found]
    return [task for task, source in sources if made_of.get(source, source) == source]


def _pictures(path: Path, output: Path | None) -> list[tuple[Path, Path]]:
    """A file, or all images in a folder except results of an earlier run; each with its path below the output."""
    if not path.is_dir():
        return [(path, Path(path.name))]
    folder = path.resolve()
    results = folder if output is None else output.resolve()
    has_results = results != folder and results.is_relative_to(folder)
    return [
        (found, found.relative_to(path))
        for found in sorted(path.rglob("*"))
        if is_picture_name(found) and found.is_file() and not (has_results and found.resolve().is_relative_to(results))
    ]
