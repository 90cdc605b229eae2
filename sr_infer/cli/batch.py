"""The command `sr-infer batch`: a folder of images on all processors or a Ray cluster."""

import argparse
import sys
from pathlib import Path

from sr_infer.cli.arguments import Subcommands, add_format, add_model, add_quality
from sr_infer.cli.console import DONE, NOTHING_DONE, SOME_FAILED
from sr_infer.cli.progress import Progress
from sr_infer.folders import OutputOptions
from sr_infer.upscaler import Upscaler


def add_command(commands: Subcommands) -> None:
    command = commands.add_parser("batch", help="enlarge a folder of images on all processors or a Ray cluster")
    command.add_argument("source", metavar="SRC", help="folder, or URI that pyarrow or fsspec reads")
    command.add_argument("target", metavar="DST", help="folder or URI; images whose result exists there are skipped")
    add_model(command)
    command.add_argument("--max-memory", default="1GB", metavar="SIZE", help="memory of each worker (%(default)s)")
    command.add_argument("--threads", type=int, default=1, help="threads of each worker (%(default)s)")
    command.add_argument("--workers", type=int, help="largest number of workers; default: as the processors allow")
    command.add_argument("--address", help='address of a Ray cluster, such as "auto"; default: only this machine')
    command.add_argument("--overwrite", action="store_true", help="upscale images again whose result exists")
    add_format(command)
    add_quality(command)
    command.add_argument("--failures", choices=("jsonl", "parquet"), default="jsonl", help="format of the table in DST")
    command.set_defaults(run=_run)


def _run(parsed: argparse.Namespace) -> int:
    from sr_infer.batch import Outcome, job

    progress: Progress | None = None

    def report(outcome: Outcome, total: int) -> None:
        nonlocal progress
        progress = progress or Progress(total)
        progress.finished(Path(outcome.path), outcome.error or f"{outcome.seconds:.1f} s")

    counts = job.run(
        parsed.source,
        parsed.target,
        Upscaler(parsed.model, max_memory=parsed.max_memory, threads=parsed.threads),
        OutputOptions(quality=parsed.quality, skip_existing=not parsed.overwrite),
        extension=parsed.format,
        workers=parsed.workers,
        address=parsed.address,
        failures=parsed.failures,
        on_outcome=report,
    )
    table = f"; see failures.{parsed.failures} there" if counts.failed else ""
    print(
        f"sr-infer: {counts.done} done, {counts.skipped} skipped, {counts.failed} failed in {parsed.target}{table}",
        file=sys.stderr,
    )
    if not counts.failed:
        return DONE
    return SOME_FAILED if counts.done or counts.skipped else NOTHING_DONE
