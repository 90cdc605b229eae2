"""The command `sr-infer info`: show a model's card."""

import argparse
from dataclasses import asdict

from sr_infer.cli.arguments import Subcommands, add_json
from sr_infer.cli.console import DONE, print_facts
from sr_infer.engine.session import shared
from sr_infer.model_zoo import find


def add_command(commands: Subcommands) -> None:
    command = commands.add_parser("info", help="show a model's card")
    command.add_argument("model", help="name or path of a model")
    add_json(command)
    command.set_defaults(run=_run)


def _run(parsed: argparse.Namespace) -> int:
    path = find(parsed.model)
    print_facts({"file": str(path), **asdict(shared(path).card)}, as_json=parsed.json)
    return DONE
