"""One loaded network: an onnxruntime session and the card that tells how to use it.

Sessions are opened when first used and shared: one for each file and thread count of this process. A forked child opens
its own, because onnxruntime's threads do not survive a fork. Running is safe from several threads.
"""

import ctypes
import logging
import os
import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sr_infer.engine import onnxruntime_engine
from sr_infer.engine.signature import NetworkEnds
from sr_infer.errors import ModelError, ModelNotFoundError, OptionError
from sr_infer.model_card import ModelCard
from sr_infer.resources import usable_cpus

Batch = NDArray[np.float32]

_log = logging.getLogger(__name__)

_FOREIGN_HALO_PX, _FOREIGN_HALO_SHARE = 32, 8
"""Of files without a card; of a fixed window at most this part."""
_PROBE_PX = 16


@dataclass(frozen=True)
class Session:
    """A network that takes and gives (N, C, H, W) float32."""

    card: ModelCard
    path: Path
    _runtime: Any
    _ends: NetworkEnds

    @property
    def takes_averages(self) -> bool:
        """The network can be run with averages that were taken elsewhere."""
        return self._ends.use_pooled is not None

    def run(self, batch: Batch, averages: Batch | None = None) -> Batch:
        """Upscale a batch.

        Args:
            batch: (N, C, H, W) float32 in [0, card.value_range].
            averages: (1, C_total, 1, 1) from `averages`, in place of the batch's own.

        Returns:
            (N, C, H * scale, W * scale) float32, not clipped.

        Raises:
            ModelError: onnxruntime cannot run the network on this input, such as for want of memory.
        """
        feed: dict[str, NDArray[Any]] = {self._ends.lr: batch}
        if averages is not None and self._ends.use_pooled is not None:
            feed |= {"pooled": averages, "use_pooled": self._ends.use_pooled}
        return self._run(self._ends.sr, feed)

    def averages(self, batch: Batch) -> Batch:
        """The network's channel averages over a batch: (1, C_total, 1, 1) float32, the mean over N."""
        pooled = self._run("pooled_out", {self._ends.lr: batch})
        return np.asarray(pooled.mean(axis=0, keepdims=True), np.float32)

    def _run(self, output_name: str, feed: dict[str, NDArray[Any]]) -> Batch:
        try:
            result: Batch = self._runtime.run([output_name], feed)[0]
        except Exception as error:
            shape = tuple(feed[self._ends.lr].shape)
            raise ModelError(
                f"{self.path.name} failed on an input of {shape}: {onnxruntime_engine.first_line(error)}"
            ) from error
        return result


_FileState: TypeAlias = tuple[str, int, int]
"""Path, modification time, size."""


class _Cache:
    """The sessions of this process, by file and thread count."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.sessions: dict[_FileState, dict[int, Session]] = {}

    def start_over_in_child(self) -> None:
        """Forget the parent's sessions without ever closing them, which would wait for threads that a child lacks."""
        for by_threads in self.sessions.values():
            for session in by_threads.values():
                ctypes.pythonapi.Py_IncRef(ctypes.py_object(session._runtime))
        self.lock = threading.Lock()
        self.sessions = {}


_cache = _Cache()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_cache.start_over_in_child)


def shared(path: Path, *, threads: int | None = None) -> Session:
    """The session of this process for a file, opened if need be.

    Args:
        path: an .onnx file.
        threads: intra-op threads; None takes all processors that affinity and cgroup allow.

    Raises:
        ModelNotFoundError: there is no such file.
        ModelError: onnxruntime refuses it, or it is not a super-resolution network.
        OptionError: `threads` is out of range.
    """
    threads = usable_cpus() if threads is None else threads
    if threads < 1:
        raise OptionError(f"expected threads of at least 1, got {threads}")
    try:
        status = path.stat()
    except OSError as error:
        raise ModelNotFoundError(f"no model file at {path}: {error.strerror}") from error
    file = (str(path.resolve()), status.st_mtime_ns, status.st_size)
    with _cache.lock:
        by_threads = _cache.sessions.setdefault(file, {})
        if threads not in by_threads:
            checked = next(iter(by_threads.values()), None)
            with onnxruntime_engine.errors(path):
                runtime = onnxruntime_engine.load(path, threads=threads)
                by_threads[threads] = _checked(path, runtime) if checked is None else replace(checked, _runtime=runtime)
        return by_threads[threads]


def _checked(path: Path, runtime: Any) -> Session:
    """A session whose card, stored or taken by default, agrees with what the network does."""
    ends = NetworkEnds.of(runtime, path.name)
    stored = onnxruntime_engine.card(runtime)
    card = stored or ModelCard(scale=1, architecture="unknown", colour=ends.colour, halo_px=_foreign_halo_px(ends))
    card = replace(card, window_px=ends.window_px)
    session = Session(card, path, runtime, ends)
    scale = _probed_scale(session)
    if stored is None:
        _log.warning(
            "%s has no model card: taken as %s, scale %d, values 0..1, halo %d px",
            path.name,
            card.colour,
            scale,
            card.halo_px,
        )
        return replace(session, card=replace(card, scale=scale))
    if scale != card.scale:
        raise ModelError(f"{path.name}: its card says scale {card.scale}, but it enlarges by {scale}; export it again")
    return session


def _foreign_halo_px(ends: NetworkEnds) -> int:
    return _FOREIGN_HALO_PX if ends.window_px is None else min(_FOREIGN_HALO_PX, ends.window_px // _FOREIGN_HALO_SHARE)


def _probed_scale(session: Session) -> int:
    """Run the network once on a small input and see by how much it enlarges."""
    card = session.card
    side = card.window_px or -(-max(_PROBE_PX, card.min_size_px) // card.multiple_of_px) * card.multiple_of_px
    channels = 1 if card.colour == "Y" else 3
    shape = session.run(np.zeros((1, channels, side, side), np.float32)).shape
    scale = int(shape[-1]) // side
    if scale < 1 or shape != (1, channels, side * scale, side * scale):
        raise ModelError(
            f"{session.path.name}: expected a picture enlarged by a whole number, got {shape} "
            f"from {(1, channels, side, side)}"
        )
    return scale
