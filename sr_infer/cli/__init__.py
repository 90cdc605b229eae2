"""The `sr-infer` command: one module for each subcommand."""

import argparse
import logging
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from types import FrameType
from typing import NoReturn

from sr_infer import __version__, resources
from sr_infer.cli.console import NOTHING_DONE, discard_stdout, secure_streams
from sr_infer.errors import SrInferError

_EPILOG = (
    "Example: sr-infer upscale photo.jpg -o large.png. "
    "Exit codes: 0 all images done, 1 some images failed, 2 nothing done, 130 interrupted, 143 terminated."
)
_SIGNALLED = 128
"""A command that a signal ends has this exit code plus the signal's number, as shells count."""
_SUBCOMMANDS = ("upscale", "batch", "web", "pipe", "models", "info", "bench", "compare", "doctor")
"""Modules of this package. Only the one that is asked for is imported, so that the command starts fast."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command and end the process with its exit code."""
    secure_streams()
    signal.signal(signal.SIGTERM, _terminate)
    logging.captureWarnings(True)
    logging.basicConfig(format="sr-infer: %(message)s")
    logging.getLogger("sr_infer.upscaler").setLevel(logging.INFO)  # which model "auto" took, and why
    for decoder in ("py.warnings", "tifffile"):  # their complaints about damaged files are followed by our own error
        logging.getLogger(decoder).setLevel(logging.CRITICAL)
    arguments = sys.argv[1:] if arguments is None else arguments
    named = [name for name in arguments[:1] if name in _SUBCOMMANDS]
    parsed = _parser(named or _SUBCOMMANDS).parse_args(arguments)
    try:
        code: int = parsed.run(parsed)
        sys.stdout.flush()
    except SrInferError as error:
        print(f"sr-infer: {error}", file=sys.stderr)
        code = NOTHING_DONE
    except _Terminated:
        print("\nsr-infer: terminated", file=sys.stderr)
        code = _SIGNALLED + signal.SIGTERM
    except KeyboardInterrupt:
        print("\nsr-infer: interrupted", file=sys.stderr)
        code = _SIGNALLED + signal.SIGINT
    except MemoryError:
        print(f"sr-infer: out of memory; {resources.memory_limit_advice()}", file=sys.stderr)
        code = NOTHING_DONE
    except OSError as error:
        discard_stdout()
        if not isinstance(error, BrokenPipeError):
            print(f"sr-infer: cannot write to standard output: {error.strerror}", file=sys.stderr)
        code = NOTHING_DONE
    sys.exit(code)


class _Terminated(KeyboardInterrupt):
    """SIGTERM arrived. It ends the command as an interrupt does: part files are deleted and workers are stopped."""


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    raise _Terminated


def _parser(subcommands: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="sr-infer", description="Super-resolution on a plain CPU.", epilog=_EPILOG)
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name in subcommands:
        import_module(f"sr_infer.cli.{name}").add_command(commands)
    return parser
