"""The frame of every training command: log to stderr, report errors in one line, stop on a signal."""

import logging
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import torch.distributed as dist

from sr_infer.errors import OptionError, OutputError, SrInferError


def check_run_folder(out: Path, *, resume: bool) -> None:
    """
    Raises:
        OptionError: `out` is a file, or holds a run that is not to be resumed.
        OutputError: `out` cannot be made.
    """
    if out.exists() and not out.is_dir():
        raise OptionError(f"{out} is a file; expected the folder of a run in --out")
    if (out / "checkpoint.safetensors").exists() and not resume:
        raise OptionError(f"{out} holds a run; go on with --resume, or give another --out")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make {out}: {error.strerror}") from error


def run_command(work: Callable[[], None]) -> int:
    """Run `work`; returns the exit code: 0 done, 2 an error of ours, 130 interrupted (SIGINT or SIGTERM)."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        work()
    except SrInferError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; the same command with --resume goes on", file=sys.stderr)
        return 130
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()
    return 0
