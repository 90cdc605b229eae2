"""Upscale images with a pool of workers, on one machine or a cluster, with Ray Data. Needs `sr-infer[ray]`.

`upscale` and `upscale_files` take and return a Ray Dataset, so they fit anywhere in a pipeline:

    pictures = ray.data.read_images("s3://bucket/photos", include_paths=True)
    large = batch.upscale(pictures, Upscaler("srpn-lite-x4", threads=1, max_memory="1GB"), workers=8)

Each worker is a Ray actor that holds one `Upscaler`; Ray knows its threads and memory as resources. A worker that dies
with its machine is started on another one and does its image again. An image on which workers keep dying becomes an
errored block; Ray Data allows `DataContext.max_errored_blocks` of them.
"""

import time
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import Any

from sr_infer import memory
from sr_infer.errors import MissingExtraError, OptionError, SrInferError
from sr_infer.folders import OutputOptions
from sr_infer.upscaler import Upscaler

try:
    from ray.data import ActorPoolStrategy, Dataset

    from sr_infer.batch.remote_files import Folder
except ImportError as error:
    raise MissingExtraError("sr_infer.batch needs Ray Data: pip install 'sr-infer[ray]'") from error

_RETRIES = 2
"""Further tries of an image whose worker dies. They may come before Ray notices that a machine is gone."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The outcome of an image."""

    path: str
    """Path below the source folder."""
    error: str | None
    """Reason of a failure; None if the result is written."""
    seconds: float | None
    """Time in s; None if the worker died."""


def upscale(dataset: Dataset, upscaler: Upscaler, *, workers: int, column: str = "image") -> Dataset:
    """Upscale the images in a column; the other columns stay.

    Args:
        dataset: a dataset, for example from `ray.data.read_images` or `ray.data.read_binary_files`.
        upscaler: upscales each image, with the threads and memory of one worker.
        workers: largest number of workers; the cluster may have room for fewer.
        column: name of a column of arrays (H, W), (H, W, 1), (H, W, 3) or (H, W, 4) of uint8, uint16 or float32 in
            [0, 1], or the bytes of image files. The results have the same type.

    Raises:
        OptionError: fewer than one worker.
        SrInferError: an image cannot be upscaled; raised inside Ray's own error when the dataset is consumed.
    """
    return _map(dataset, _PictureWorker, upscaler, workers, column)


def upscale_files(
    dataset: Dataset, upscaler: Upscaler, source: Folder, target: Folder, options: OutputOptions, *, workers: int
) -> Dataset:
    """Upscale image files; workers read and write them one at a time.

    Args:
        dataset: columns `path`, of each image below `source`, and `result`, of its result below `target`.
        upscaler, workers: as in `upscale`.
        source: folder of the images.
        target: folder of the results; each appears whole or not at all.
        options: size and encoding of the results.

    Returns:
        Columns `path`, `error` (None when done) and `seconds`: an `Outcome` for each image.

    Raises:
        OptionError: fewer than one worker.
    """
    return _map(dataset, _FileWorker, upscaler, workers, source, target, options)


class _PictureWorker:
    """Upscales a column of rows."""

    def __init__(self, upscaler: Upscaler, column: str) -> None:
        self._upscaler, self._column = upscaler, column
        upscaler.load()

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        return {**row, self._column: self._upscaler(row[self._column])}


class _FileWorker:
    """Upscales the files that rows name."""

    def __init__(self, upscaler: Upscaler, source: Folder, target: Folder, options: OutputOptions) -> None:
        self._upscaler, self._source, self._target, self._options = upscaler, source, target, options
        upscaler.load()

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        start = time.perf_counter()
        error = None
        try:
            self._upscale(row["path"], row["result"])
        except SrInferError as known:
            error = str(known)
        except Exception as unknown:  # one image never ends the job
            error = f"{type(unknown).__name__}: {unknown}"
        return asdict(Outcome(path=row["path"], error=error, seconds=time.perf_counter() - start))

    def _upscale(self, path: str, result: str) -> None:
        content = self._upscaler.upscale_bytes(
            self._source.read(path),
            extension=PurePosixPath(result).suffix,
            scale=self._options.scale,
            width=self._options.width,
            height=self._options.height,
            quality=self._options.quality,
        )
        self._target.write(result, content)


def _map(dataset: Dataset, worker: type, upscaler: Upscaler, workers: int, *arguments: Any) -> Dataset:
    """Map the dataset with a pool of workers."""
    if workers < 1:
        raise OptionError(f"expected at least 1 worker, got {workers}")
    budget = None if upscaler.max_memory is None else memory.budget_bytes(upscaler.max_memory)
    return dataset.map(
        worker,
        fn_constructor_args=(upscaler, *arguments),
        compute=ActorPoolStrategy(min_size=1, max_size=workers, initial_size=workers, max_tasks_in_flight_per_actor=1),
        num_cpus=upscaler.thread_count,
        memory=budget,
        max_restarts=-1,
        max_task_retries=_RETRIES,
    )
