"""A loaded network with the model card that says how to use it.

A session is created when it is first used and then shared: one for each file and thread count of a process. A forked
child creates its own, because an engine's threads do not survive a fork. Running is safe from several threads.
"""

import logging
import os
import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sr_infer.engine import onnxruntime_engine
from sr_infer.engine.protocol import Engine, LoadedNetwork, WorkingSet
from sr_infer.engine.signature import POOLED_INPUT, POOLED_OUTPUT, USE_POOLED_INPUT, Signature
from sr_infer.errors import MemoryBudgetError, ModelError, ModelNotFoundError, OptionError
from sr_infer.model_card import METADATA_KEY, ModelCard
from sr_infer.resources import memory_limit_advice, usable_cpus

Batch = NDArray[np.float32]
"""(N, C, H, W) float32."""

ENGINE: Engine = onnxruntime_engine
"""The engine that runs all networks."""

_log = logging.getLogger(__name__)

_DEFAULT_HALO_PX = 32
"""Halo of a network without a card."""
_WINDOW_SIDES_PER_HALO = 8
"""With a fixed window, the halo of a network without a card is at most the window's side divided by this."""
_PROBE_PX = 16
"""Side of the image on which a network is run once to find its scale, if it takes such a small one."""


@dataclass(frozen=True)
class Session:
    """A network that takes and returns (N, C, H, W) float32."""

    card: ModelCard
    path: Path
    _network: LoadedNetwork
    _signature: Signature

    @property
    def working_set(self) -> WorkingSet:
        """Memory of the engine that runs the network."""
        return ENGINE.WORKING_SET

    @property
    def takes_pooled_statistics(self) -> bool:
        """The caller may replace the network's pooled statistics."""
        return self._signature.use_pooled is not None

    def run(self, batch: Batch, pooled: Batch | None = None) -> Batch:
        """Upscale a batch.

        Args:
            batch: (N, C, H, W) float32 in [0, card.value_range].
            pooled: (1, C_total, 1, 1) from `pooled_statistics`; None lets the network compute them from the batch.

        Returns:
            (N, C, H * scale, W * scale) float32, not clipped.

        Raises:
            ModelError: the engine cannot run the network on this input.
            MemoryBudgetError: memory runs out.
        """
        feeds: dict[str, NDArray[Any]] = {self._signature.lr: batch}
        if pooled is not None and self._signature.use_pooled is not None:
            feeds |= {POOLED_INPUT: pooled, USE_POOLED_INPUT: self._signature.use_pooled}
        return self._run(self._signature.sr, feeds)

    def pooled_statistics(self, batch: Batch) -> Batch:
        """Channel means of the network over a batch: (1, C_total, 1, 1) float32, the mean over N."""
        pooled = self._run(POOLED_OUTPUT, {self._signature.lr: batch})
        return np.asarray(pooled.mean(axis=0, keepdims=True), np.float32)

    def _run(self, output: str, feeds: dict[str, NDArray[Any]]) -> Batch:
        try:
            return self._network.run(output, feeds)
        except Exception as error:  # engines share no narrower base
            shape = tuple(feeds[self._signature.lr].shape)
            reason = str(error).strip().partition("\n")[0]
            if isinstance(error, MemoryError) or "bad_alloc" in reason or "Failed to allocate memory" in reason:
                raise MemoryBudgetError(
                    f"there is no memory to run {self.path.name} on an input of {shape}; {memory_limit_advice()}, or "
                    "give a smaller tile"
                ) from error
            raise ModelError(f"{self.path.name} failed on an input of {shape}: {reason}") from error


_FileState: TypeAlias = tuple[str, int, int]
"""Path, modification time and size of a file."""


class _Cache:
    """The sessions of this process, by file and thread count."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.sessions: dict[_FileState, dict[int, Session]] = {}

    def start_over_in_child(self) -> None:
        """Forget the parent's sessions without freeing their networks."""
        for by_threads in self.sessions.values():
            for session in by_threads.values():
                session._network.abandon()
        self.lock = threading.Lock()
        self.sessions = {}


_cache = _Cache()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_cache.start_over_in_child)


def shared(path: Path, *, threads: int | None = None) -> Session:
    """The session of this process for a file; it is created if necessary.

    Args:
        path: an .onnx file.
        threads: threads of one run; None uses all processors that affinity and cgroup allow.

    Raises:
        ModelNotFoundError: there is no such file.
        ModelError: the engine cannot run the file, or it is not a super-resolution network.
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
            network = ENGINE.load(path, threads=threads)
            by_threads[threads] = _check(path, network) if checked is None else replace(checked, _network=network)
        return by_threads[threads]


def read_card(path: Path) -> ModelCard | None:
    """Read the card in a file's metadata without preparing the network to run; None for a file without a card.

    Raises:
        ModelError: the engine cannot read the file, or the card is not valid.
    """
    return _stored_card(ENGINE.load(path, threads=1, optimise=False))


def _stored_card(network: LoadedNetwork) -> ModelCard | None:
    text = network.metadata.get(METADATA_KEY)
    return None if text is None else ModelCard.from_json(text)


def _check(path: Path, network: LoadedNetwork) -> Session:
    """Create a session whose card, stored or assumed, agrees with what the network does."""
    signature = Signature.of(network, path.name)
    stored = _stored_card(network)
    card = stored or ModelCard(
        scale=1, architecture="unknown", colour=signature.colour, halo_px=_default_halo_px(signature)
    )
    card = replace(card, window_px=signature.window_px)
    session = Session(card, path, network, signature)
    scale = _probe_scale(session)
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


def _default_halo_px(signature: Signature) -> int:
    if signature.window_px is None:
        return _DEFAULT_HALO_PX
    return min(_DEFAULT_HALO_PX, signature.window_px // _WINDOW_SIDES_PER_HALO)


def _probe_scale(session: Session) -> int:
    """Run the network once on a small input to find its scale."""
    side = session.card.size_requirements.round_up(_PROBE_PX)
    channels = 1 if session.card.colour == "Y" else 3
    shape = session.run(np.zeros((1, channels, side, side), np.float32)).shape
    scale = int(shape[-1]) // side
    if scale < 1 or shape != (1, channels, side * scale, side * scale):
        raise ModelError(
            f"{session.path.name}: expected a picture enlarged by a whole number, got {shape} "
            f"from {(1, channels, side, side)}"
        )
    return scale
