"""Upscale a folder of images to another folder with `sr_infer.batch`."""

import io
import json
import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import PurePosixPath
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq
import ray

from sr_infer import batch, folders, memory
from sr_infer.batch import Outcome
from sr_infer.batch.remote_files import Folder
from sr_infer.errors import OptionError
from sr_infer.folders import OutputOptions
from sr_infer.resources import usable_cpus
from sr_infer.upscaler import Upscaler

_PICTURES_AT_ONCE = 10_000
"""Images in one dataset. Each is a block of its own, which Ray's driver keeps track of."""
_OBJECT_STORE_BYTES = 200_000_000
"""Size of Ray's object store on this machine. It may be small: only names pass through Ray, not files."""


@dataclass(frozen=True, kw_only=True)
class Counts:
    """Numbers of images of a job."""

    done: int
    skipped: int
    failed: int


def run(
    source: str,
    target: str,
    upscaler: Upscaler,
    options: OutputOptions,
    *,
    extension: str | None = None,
    workers: int | None = None,
    address: str | None = None,
    failures: Literal["jsonl", "parquet"] = "jsonl",
    on_outcome: Callable[[Outcome, int], None],
) -> Counts:
    """Upscale all images of a folder to another, also after one fails, and write a table of those that failed.

    Args:
        source, target: paths or URIs.
        upscaler: the upscaler of one worker.
        options: size and encoding; `skip_existing` skips images whose result exists.
        extension: format of all results, such as "png"; None keeps the format of each file, with PNG instead of formats
            that are not written.
        workers: largest number of workers; None starts as many as the cluster has processors for.
        address: address of a Ray cluster; None starts one on only this machine, and ends it.
        failures: format of the table `target`/failures.*, which lists path, error and seconds.
        on_outcome: called with the outcome of each image and the number of images to do.

    Raises:
        OptionError: there are no images, two results have the same name, the target lies in the source, or there is no
            such cluster.
    """
    originals, results = Folder(source), Folder(target)
    if originals.contains(results):
        raise OptionError(f"results in {target} would be among the pictures of {source}; give a folder outside of it")
    there = set(results.files()) if options.skip_existing else set()
    pictures = _work(originals.pictures(), extension)
    work = [row for row in pictures if row["result"] not in there]
    threads = upscaler.thread_count
    upscaler = replace(upscaler, threads=threads, max_memory=memory.budget_bytes(upscaler.max_memory))
    failed: list[Outcome] = []
    try:
        with _cluster(address):
            if workers is None:
                workers = max(int(ray.cluster_resources().get("CPU", 1)) // threads, 1)
            for start in range(0, len(work), _PICTURES_AT_ONCE):
                part = work[start : start + _PICTURES_AT_ONCE]
                for outcome in _outcomes(part, upscaler, originals, results, options, workers):
                    on_outcome(outcome, len(work))
                    if outcome.error is not None:
                        failed.append(outcome)
        results.write(f"failures.{failures}", _table(failed, failures))
    finally:
        results.remove_unfinished()
    return Counts(done=len(work) - len(failed), skipped=len(pictures) - len(work), failed=len(failed))


def _work(paths: list[str], extension: str | None) -> list[dict[str, str]]:
    """Rows with the path of each image and of its result below the target."""
    work: dict[str, str] = {}
    results = folders.all_renamed([PurePosixPath(path) for path in paths], "", extension)
    for path, result in zip(paths, map(str, results), strict=True):
        if result in work:
            raise OptionError(f"{work[result]} and {path} would both become {result}; rename one")
        work[result] = path
    return [{"path": path, "result": result} for result, path in work.items()]


def _outcomes(
    work: list[dict[str, str]],
    upscaler: Upscaler,
    source: Folder,
    target: Folder,
    options: OutputOptions,
    workers: int,
) -> Iterator[Outcome]:
    """Yield the outcome of each image as soon as it is known.

    Until Ray notices that a machine is gone, it sends images to its workers. Images without an outcome are therefore
    tried again, as long as this makes progress.
    """
    missing = {row["path"]: row for row in work}
    before = len(missing) + 1
    while 0 < len(missing) < before:
        before = len(missing)
        pictures = ray.data.from_items(list(missing.values()), override_num_blocks=len(missing))
        dataset = batch.upscale_files(pictures, upscaler, source, target, options, workers=min(workers, len(missing)))
        dataset.context.max_errored_blocks = -1
        dataset.context.enable_progress_bars = False
        for row in dataset.iter_rows():
            del missing[row["path"]]
            yield Outcome(**row)
    for path in missing:
        yield Outcome(
            path=path, error="its workers died: they crashed, or were killed because memory ran out", seconds=None
        )


@contextmanager
def _cluster(address: str | None) -> Iterator[None]:
    """Start or join a Ray cluster, and leave it at the end."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)  # the outcomes report lost images
    quiet: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    handler = signal.getsignal(signal.SIGTERM)
    try:
        if address is None:
            store_bytes = _OBJECT_STORE_BYTES
            ray.init("local", num_cpus=usable_cpus(), object_store_memory=store_bytes, include_dashboard=False, **quiet)
        else:
            _check_listens(address)
            ray.init(address, **quiet)
    except (OSError, ValueError, RuntimeError) as error:
        raise OptionError(f"cannot use a Ray cluster at {address or 'this machine'}: {error}") from error
    if threading.current_thread() is threading.main_thread():  # Ray installs a handler that exits with code 15
        signal.signal(signal.SIGTERM, handler)
    try:
        yield
    finally:
        ray.shutdown()


def _check_listens(address: str) -> None:
    """Raises OSError if nothing listens at the address; Ray would go on trying for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host:
        socket.create_connection((host, int(port)), timeout=10).close()


def _table(failed: list[Outcome], form: Literal["jsonl", "parquet"]) -> bytes:
    rows = [asdict(outcome) for outcome in failed]
    if form == "jsonl":
        return "".join(f"{json.dumps(row)}\n" for row in rows).encode()
    buffer = io.BytesIO()
    columns = pa.schema([("path", pa.string()), ("error", pa.string()), ("seconds", pa.float64())])
    pq.write_table(pa.Table.from_pylist(rows, columns), buffer)
    return buffer.getvalue()
