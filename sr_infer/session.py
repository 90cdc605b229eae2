"""One loaded network: an onnxruntime session, its card, and the checks that make it safe to run.

Sessions are opened when first used and shared: one for each file and thread count of this process. A forked child opens
its own, because onnxruntime's threads do not survive a fork. Running is safe from several threads.

Chosen by measurement of peak and resident memory: onnxruntime's arena is kept, since without it the peak is up to twice
as high; memory patterns are off, because each new shape adds one that stays; the arena is not shrunk after a run, which
fragments the heap. Idle threads sleep rather than spin, so that a waiting server costs nothing.

Networks with channel attention may bring their averages out and in (see `sr_infer.upscaler`):

    output `pooled_out`  float32 (N, C_total, 1, 1): all averages over the input, channel by channel, layer after layer
    input  `pooled`      float32 (1, C_total, 1, 1), an initialiser that the caller may override
    input  `use_pooled`  bool or float32, scalar or one element, initially false: take `pooled` in place of averages
"""

import ctypes
import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sr_infer.errors import ModelError, ModelNotFoundError, OptionError, SrInferError
from sr_infer.limits import usable_cpus
from sr_infer.model_card import METADATA_KEY, ModelCard

Batch = NDArray[np.float32]

_log = logging.getLogger(__name__)

_FOREIGN_HALO_PX = 32
_PROBE_PX = 16


@dataclass(frozen=True)
class Session:
    """A network that takes and gives (N, C, H, W) float32."""

    card: ModelCard
    path: Path
    _runtime: Any
    _input_name: str
    _output_name: str
    _use_pooled: NDArray[Any] | None
    """What switches the network to given averages, in the type that it wants; None where it has no such switch."""

    @property
    def takes_averages(self) -> bool:
        """The network can be run with averages that were taken elsewhere."""
        return self._use_pooled is not None

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
        feed: dict[str, NDArray[Any]] = {self._input_name: batch}
        if averages is not None and self._use_pooled is not None:
            feed |= {"pooled": averages, "use_pooled": self._use_pooled}
        return self._run(self._output_name, feed)

    def averages(self, batch: Batch) -> Batch:
        """The network's channel averages over a batch: (1, C_total, 1, 1) float32, the mean over N."""
        pooled = self._run("pooled_out", {self._input_name: batch})
        return np.asarray(pooled.mean(axis=0, keepdims=True), np.float32)

    def _run(self, output_name: str, feed: dict[str, NDArray[Any]]) -> Batch:
        try:
            result: Batch = self._runtime.run([output_name], feed)[0]
        except Exception as error:
            shape = tuple(feed[self._input_name].shape)
            raise ModelError(f"{self.path.name} failed on an input of {shape}: {_first_line(error)}") from error
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
    threads = default_threads() if threads is None else threads
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
            with _model_errors(path):
                by_threads[threads] = (
                    _open(path, threads) if checked is None else replace(checked, _runtime=_load(path, threads=threads))
                )
        return by_threads[threads]


def default_threads() -> int:
    """Intra-op threads when the caller names none."""
    return usable_cpus()


def read_card(path: Path) -> ModelCard | None:
    """The card in a file's metadata, without preparing the network to run; None for a file without one.

    Raises:
        ModelError: onnxruntime cannot read the file, or the card is not valid.
    """
    with _model_errors(path):
        text = _load(path, threads=1, optimise=False).get_modelmeta().custom_metadata_map.get(METADATA_KEY)
        return None if text is None else ModelCard.from_json(text)


def import_onnxruntime() -> Any:
    """onnxruntime without its telemetry, unless the user's environment asks for it.

    From 1.29 on it uploads from threads of its own, which must not happen unasked in a library, and which let a forked
    child hang when it exits.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    return onnxruntime


def _load(path: Path, *, threads: int, optimise: bool = True) -> Any:
    onnxruntime = import_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.enable_mem_pattern = False
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 4
    level = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = level.ORT_ENABLE_ALL if optimise else level.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(os.fspath(path), options, providers=["CPUExecutionProvider"])


@contextmanager
def _model_errors(path: Path) -> Iterator[None]:
    """The many errors that onnxruntime and its bindings raise on files that are no good, as ours."""
    try:
        yield
    except SrInferError:
        raise
    except Exception as error:
        raise ModelError(f"{path} is not an ONNX model that onnxruntime can run: {_first_line(error)}") from error


def _open(path: Path, threads: int) -> Session:
    runtime = _load(path, threads=threads)
    inputs, outputs = runtime.get_inputs(), runtime.get_outputs()
    if len(inputs) != 1:
        raise ModelError(f"{path.name}: expected one input, an image batch, got {[i.name for i in inputs]}")
    (image,) = inputs
    names = [output.name for output in outputs]
    enlarged = outputs[names.index("sr")] if "sr" in names else outputs[0]
    for end in (image, enlarged):
        if len(end.shape) != 4 or end.type != "tensor(float)":
            found = f"{end.name!r} of {end.type} {end.shape}"
            raise ModelError(f"{path.name}: expected float32 images of rank 4 (N, C, H, W), got {found}")
    if isinstance(image.shape[1], int) and image.shape[1] not in (1, 3):
        raise ModelError(f"{path.name}: expected 1 or 3 input channels, got {image.shape[1]}; is it an image network?")
    fixed = [side for side in image.shape[2:] if isinstance(side, int)]
    if fixed:
        raise ModelError(
            f"{path.name}: its input size is fixed to {image.shape}; export it again with dynamic height and width"
        )
    overridable = {value.name: value for value in runtime.get_overridable_initializers()}
    use_pooled: NDArray[Any] | None = None
    if "pooled_out" in names and {"pooled", "use_pooled"} <= overridable.keys():
        switch = overridable["use_pooled"]
        use_pooled = np.ones(switch.shape, bool if switch.type == "tensor(bool)" else np.float32)

    text = runtime.get_modelmeta().custom_metadata_map.get(METADATA_KEY)
    if text is not None:
        session = Session(ModelCard.from_json(text), path, runtime, image.name, enlarged.name, use_pooled)
        scale = _probed_scale(session)
        if scale != session.card.scale:
            raise ModelError(
                f"{path.name}: its card says scale {session.card.scale}, but it enlarges by {scale}; export it again"
            )
        return session

    colour: Literal["RGB", "Y"] = "Y" if image.shape[1] == 1 else "RGB"
    card = ModelCard(scale=1, architecture="unknown", colour=colour, halo_px=_FOREIGN_HALO_PX)
    session = Session(card, path, runtime, image.name, enlarged.name, use_pooled)
    session = replace(session, card=replace(card, scale=_probed_scale(session)))
    _log.warning(
        "%s has no model card: taken as %s, scale %d, values 0..1, halo %d px",
        path.name,
        colour,
        session.card.scale,
        _FOREIGN_HALO_PX,
    )
    return session


def _probed_scale(session: Session) -> int:
    """Run the network once on a small input and see by how much it enlarges."""
    card = session.card
    side = -(-max(_PROBE_PX, card.min_size_px) // card.multiple_of_px) * card.multiple_of_px
    channels = 1 if card.colour == "Y" else 3
    shape = session.run(np.zeros((1, channels, side, side), np.float32)).shape
    scale = int(shape[-1]) // side
    if scale < 1 or shape != (1, channels, side * scale, side * scale):
        raise ModelError(
            f"{session.path.name}: expected a picture enlarged by a whole number, got {shape} "
            f"from {(1, channels, side, side)}"
        )
    return scale


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
