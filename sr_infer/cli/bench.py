"""The command `sr-infer bench`: measure a model's time and memory."""

import argparse

from sr_infer import measure
from sr_infer.cli.arguments import Subcommands, add_json, add_threads, parse_size_hw
from sr_infer.cli.console import DONE, print_facts
from sr_infer.model_zoo import DEFAULT_MODEL
from sr_infer.resources import usable_cpus


def add_command(commands: Subcommands) -> None:
    command = commands.add_parser("bench", help="measure a model's time and memory on this machine")
    command.add_argument("model", nargs="?", default=DEFAULT_MODEL, help="name or path of a model (%(default)s)")
    command.add_argument("--size", default="96x96", metavar="WxH", help="size of the input in px (%(default)s)")
    command.add_argument("--repeats", type=int, default=9, help="number of timed calls (%(default)s)")
    add_threads(command)
    add_json(command)
    command.set_defaults(run=_run)


def _run(parsed: argparse.Namespace) -> int:
    height, width = parse_size_hw(parsed.size)
    latency = measure.latency(
        measure.upscale_case(parsed.model, height, width, None, None, parsed.threads), repeats=parsed.repeats
    )
    peak = measure.peak_memory(measure.first_call_case, parsed.model, height, width, parsed.threads)
    facts = {
        "model": parsed.model,
        "size": parsed.size,
        "threads": parsed.threads or usable_cpus(),
        "first_call_ms": round(peak.call_ms, 1),
        "p50_ms": round(latency.median_ms, 1),
        "p90_ms": round(latency.p90_ms, 1),
        "input_megapixels_per_s": round(width * height / latency.median_ms / 1e3, 3),
        "imported_bytes": peak.imported_bytes,
        "peak_bytes": peak.peak_bytes,
        "grown_bytes": peak.added_since_import_bytes,
    }
    print_facts(facts, as_json=parsed.json)
    return DONE
