"""The command `sr-infer models`: list the shipped models."""

import argparse
import json
from dataclasses import asdict

from sr_infer.cli.arguments import Subcommands, add_json
from sr_infer.cli.console import DONE
from sr_infer.model_zoo import available_models


def add_command(commands: Subcommands) -> None:
    command = commands.add_parser("models", help="list the shipped models")
    add_json(command)
    command.set_defaults(run=_run)


def _run(parsed: argparse.Namespace) -> int:
    rows = available_models()
    if parsed.json:
        print(json.dumps([{"name": row.name, "size_bytes": row.size_bytes, **asdict(row.card)} for row in rows]))
        return DONE
    for row in rows:
        quality = ", ".join(f"{name} {figures.psnr_y:.2f} dB" for name, figures in row.card.quality.items())
        print(f"{row.name:20} x{row.card.scale}  {row.size_bytes / 1e6:5.1f} MB  {quality}")
    return DONE
