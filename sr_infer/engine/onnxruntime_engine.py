"""ONNX files through onnxruntime: loading them quietly with the options that measurement chose, and reading their card.

Chosen by measurement of peak and resident memory: onnxruntime's arena is kept, as one for all sessions (see `arena`),
since without it every run costs twice the processor time; memory patterns are off, because each new shape adds one that
stays. Threads spin between the layers of a run, which waking them would make up to 1.1 times as long, and sleep between
runs, so that a waiting server costs nothing.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sr_infer.engine import arena
from sr_infer.errors import ModelError, SrInferError
from sr_infer.model_card import METADATA_KEY, ModelCard


def load(path: Path, *, threads: int, optimise: bool = True) -> Any:
    """An onnxruntime session; raises whatever onnxruntime raises, see `errors`."""
    onnxruntime = import_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.enable_mem_pattern = False
    arena.share(onnxruntime, options)
    options.add_session_config_entry("session.force_spinning_stop", "1")
    options.log_severity_level = 4
    level = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = level.ORT_ENABLE_ALL if optimise else level.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(os.fspath(path), options, providers=["CPUExecutionProvider"])


def read_card(path: Path) -> ModelCard | None:
    """The card in a file's metadata, without preparing the network to run; None for a file without one.

    Raises:
        ModelError: onnxruntime cannot read the file, or the card is not valid.
    """
    with errors(path):
        return card(load(path, threads=1, optimise=False))


def card(runtime: Any) -> ModelCard | None:
    """The card of a loaded file; None for a file without one.

    Raises:
        ModelError: the card is not valid.
    """
    text = runtime.get_modelmeta().custom_metadata_map.get(METADATA_KEY)
    return None if text is None else ModelCard.from_json(text)


def import_onnxruntime() -> Any:
    """onnxruntime without its telemetry, unless the user's environment asks for it.

    From 1.29 on it uploads from threads of its own, which must not happen unasked in a library, and which let a forked
    child hang when it exits.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    return onnxruntime


@contextmanager
def errors(path: Path) -> Iterator[None]:
    """The many errors that onnxruntime and its bindings raise on files that are no good, as ours."""
    try:
        yield
    except SrInferError:
        raise
    except Exception as error:
        raise ModelError(f"{path} is not an ONNX model that onnxruntime can run: {first_line(error)}") from error


def first_line(error: Exception) -> str:
    """Of what onnxruntime says, the part that a user can read."""
    return str(error).strip().partition("\n")[0]
