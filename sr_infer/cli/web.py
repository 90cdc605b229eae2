"""The command `sr-infer web`: a page on this machine."""

import argparse

from sr_infer.cli.arguments import Subcommands, add_max_memory, add_threads
from sr_infer.cli.console import DONE


def add_command(commands: Subcommands) -> None:
    command = commands.add_parser("web", help="serve a page on this machine to drop images on")
    command.add_argument("--port", type=int, default=7860, help="port at 127.0.0.1 (%(default)s)")
    command.add_argument("--max-upload", default="20MB", metavar="SIZE", help="largest file (%(default)s)")
    add_max_memory(command)
    add_threads(command)
    command.set_defaults(run=_run)


def _run(parsed: argparse.Namespace) -> int:
    from sr_infer.web import server

    server.serve(port=parsed.port, max_upload=parsed.max_upload, max_memory=parsed.max_memory, threads=parsed.threads)
    return DONE
