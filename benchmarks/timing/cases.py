"""Cases that run our models, for `benchmarks.timing.interleaved` and `sr_infer.measure.peak_memory`.

Each function prepares and returns the call to measure.
"""

import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.photographs import tile_photograph
from sr_infer import Upscaler
from sr_infer.engine.onnxruntime_engine import import_onnxruntime
from sr_infer.engine.session import shared
from sr_infer.model_zoo import find

import_onnxruntime()  # with this module, as modules of other engines do: its memory counts as imported

Call = Callable[[], object]


def network(model: str, side_px: int, threads: int) -> Callable[[], NDArray[np.float32]]:
    """Run only the network, on the square of noise from `benchmarks.compared_networks.make_noise`."""
    session = shared(find(model), threads=threads)
    lr = np.random.default_rng(0).random((1, 3, side_px, side_px), np.float32)
    return lambda: session.run(lr)


def networks_at_once(model: str, side_px: int, threads: int) -> Call:
    """Run one single-threaded network per thread, each on a square of noise, to measure the full throughput."""
    session = shared(find(model), threads=1)
    lr = np.random.default_rng(0).random((1, 3, side_px, side_px), np.float32)
    pool = ThreadPoolExecutor(threads)
    return lambda: list(pool.map(session.run, [lr] * threads))


def upscaler(model: str, height: int, width: int, threads: int, tile: int | None = None) -> Call:
    """Upscale a photograph from array to array."""
    picture = tile_photograph(height, width)
    one = Upscaler(model, threads=threads, tile=tile)
    one.load()
    return lambda: one(picture)


def files(model: str, height: int, width: int, threads: int) -> Call:
    """Upscale a JPEG file to a PNG file, as the command does."""
    folder = tempfile.TemporaryDirectory(prefix="sr-infer-benchmark-")
    source, target = Path(folder.name) / "photo.jpg", Path(folder.name) / "large.png"
    Image.fromarray(tile_photograph(height, width)).save(source, quality=95)
    one = Upscaler(model, threads=threads)
    one.load()

    def call(folder: object = folder) -> None:  # the folder is removed together with this function
        one.upscale_file(source, target)
        target.unlink()

    return call


def pillow(filter_name: str, scale: int, side_px: int) -> Call:
    """Resize a square photograph with a filter of Pillow."""
    picture = Image.fromarray(tile_photograph(side_px, side_px))
    size = (side_px * scale, side_px * scale)
    return lambda: picture.resize(size, Image.Resampling[filter_name])


def matrix_product(side: int, threads: int) -> Call:
    """Multiply two square float32 matrices with torch."""
    import torch

    torch.set_num_threads(threads)
    a, b = torch.rand(side, side), torch.rand(side, side)
    return lambda: a @ b
