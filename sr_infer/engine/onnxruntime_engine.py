"""The engine onnxruntime: loads ONNX files quietly and runs them in one shared memory arena.

The session options were chosen by measuring time and memory. All sessions share one arena, because without an arena
every run takes twice the processor time. Memory patterns are off, because every new input shape would keep one. Threads
spin between the layers of a run, because waking them would make a run up to 1.1 times as long; they sleep between runs,
so that a waiting server uses no processor time.

By default onnxruntime gives each session its own arena, which grows by regions in powers of two from 1 MB. It never
joins free blocks of two regions, so that DRN-S50 takes twice the memory of its tensors and every new window size adds
more. In one large region, free blocks are joined and used again, also by the next network. A region is address space:
unused parts take no memory, except 3 % for bookkeeping, which is 8 MB for the first region.
"""

import ctypes
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sr_infer.engine.protocol import TensorInfo, WorkingSet
from sr_infer.errors import MemoryBudgetError, ModelError, SrInferError
from sr_infer.resources import memory_limit_advice, process_limits_left_bytes

NAME = "onnxruntime"
WORKING_SET = WorkingSet(factor_float=1.2, factor_int8=1.6, fixed_bytes=3_000_000)
"""The factors depend on how the arena is divided. With one or two windows of 128 to 512 px at a time, networks took
1.00 to 1.23 times `bytes_per_px` in float32 and 0.99 to 1.37 times in int8."""

_REGION_BYTES = 256 << 20
"""Size of the arena's first and second region; each further region is twice as large."""
_MIN_REGION_BYTES = 1 << 20
_DTYPES: dict[str, np.dtype[Any]] = {
    "tensor(float)": np.dtype(np.float32),
    "tensor(float16)": np.dtype(np.float16),
    "tensor(double)": np.dtype(np.float64),
    "tensor(bool)": np.dtype(np.bool_),
    "tensor(uint8)": np.dtype(np.uint8),
    "tensor(int8)": np.dtype(np.int8),
    "tensor(int32)": np.dtype(np.int32),
    "tensor(int64)": np.dtype(np.int64),
}


class OnnxNetwork:
    """A network in an onnxruntime session; see `sr_infer.engine.protocol.LoadedNetwork`."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self.inputs = tuple(map(_tensor_info, session.get_inputs()))
        self.optional_inputs = tuple(map(_tensor_info, session.get_overridable_initializers()))
        self.outputs = tuple(map(_tensor_info, session.get_outputs()))
        self.metadata: Mapping[str, str] = session.get_modelmeta().custom_metadata_map

    def run(self, output: str, feeds: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
        result: NDArray[Any] = self._session.run([output], feeds)[0]
        return result

    def abandon(self) -> None:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._session))


def load(path: Path, *, threads: int, optimise: bool = True) -> OnnxNetwork:
    """Load an ONNX file; see `sr_infer.engine.protocol.Engine`.

    Raises:
        ModelError: onnxruntime cannot run the file.
    """
    with _model_errors(path):
        onnxruntime = import_onnxruntime()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.enable_mem_pattern = False
        _register_arena(onnxruntime)
        options.add_session_config_entry("session.use_env_allocators", "1")
        options.add_session_config_entry("session.force_spinning_stop", "1")
        options.log_severity_level = 4
        level = onnxruntime.GraphOptimizationLevel
        options.graph_optimization_level = level.ORT_ENABLE_ALL if optimise else level.ORT_DISABLE_ALL
        return OnnxNetwork(onnxruntime.InferenceSession(os.fspath(path), options, providers=["CPUExecutionProvider"]))


def import_onnxruntime() -> Any:
    """Import onnxruntime without its telemetry, unless the user's environment asks for it.

    From version 1.29 on it uploads from its own threads. A library must not do that unasked, and a forked child would
    hang at exit.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    return onnxruntime


@cache
def _register_arena(onnxruntime: Any) -> None:
    """Register the arena that all sessions of this process share."""
    memory = onnxruntime.OrtMemoryInfo(
        "Cpu", onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, onnxruntime.OrtMemType.DEFAULT
    )
    region_bytes = _REGION_BYTES
    if limits := process_limits_left_bytes():  # a region is address space, which a limit of the process counts
        region_bytes = max(min(_REGION_BYTES, min(limits.values()) // 8), _MIN_REGION_BYTES)
    sizes = {"initial_chunk_size_bytes": region_bytes, "initial_growth_chunk_size_bytes": region_bytes}
    onnxruntime.create_and_register_allocator(memory, onnxruntime.OrtArenaCfg(sizes))


if hasattr(os, "register_at_fork"):
    # a child registers its own arena: a thread that exists only in the parent may hold the lock of the parent's arena
    os.register_at_fork(after_in_child=_register_arena.cache_clear)


def _tensor_info(value: Any) -> TensorInfo:
    sides = tuple(side if isinstance(side, int) else None for side in value.shape)
    return TensorInfo(value.name, _DTYPES.get(value.type), sides)


@contextmanager
def _model_errors(path: Path) -> Iterator[None]:
    """Convert the many errors of onnxruntime and its bindings on unsuitable files to ModelError."""
    try:
        yield
    except SrInferError:
        raise
    except Exception as error:
        reason = str(error).strip().partition("\n")[0]
        if isinstance(error, MemoryError) or "bad_alloc" in reason:
            raise MemoryBudgetError(f"there is no memory to load {path.name}; {memory_limit_advice()}") from error
        raise ModelError(f"{path} is not an ONNX model that onnxruntime can run: {reason}") from error
