"""`python -m training.compress srp|drc|memsr`: a smaller network from a trained one."""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import training
from sr_infer.errors import OptionError
from training.checkpoint import find_weights
from training.command_line import check_run_folder, run_command
from training.compress.drc.pipeline import DualRegressionCompression
from training.compress.drc.recipe import read_drc_recipe
from training.compress.memsr.pipeline import STUDENTS, PlainStudent, read_memsr_recipe
from training.compress.srp.pipeline import StructuredPruning, read_srp_recipe
from training.data.folder import scan_folder
from training.loop.distributed import choose_device
from training.loop.trainer import Limits

RECIPES = Path(training.__file__).parent / "recipes"
SMALL_SRP = RECIPES / "srp" / "srpn-lite-48.toml"
SMALL_DRC = RECIPES / "drc" / "brief.toml"
SMALL_MEMSR = RECIPES / "memsr" / "plain-m.toml"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m training.compress", description=__doc__)
    methods = parser.add_subparsers(required=True, metavar="METHOD")
    _add_srp(methods.add_parser("srp", help="structure-regularised pruning (ICLR 2022)"))
    _add_drc(methods.add_parser("drc", help="dual regression compression: channel number search, channel pruning"))
    _add_memsr(methods.add_parser("memsr", help="a plain network, without skips, from a residual teacher (ICML 2022)"))
    options = parser.parse_args(arguments)
    return run_command(lambda: options.run(options))


def _add_common(parser: argparse.ArgumentParser, recipe: Path, *, weights: str = "--from") -> None:
    parser.add_argument("recipe", type=Path, nargs="?", default=recipe, help=f"TOML file (default: {recipe.name})")
    parser.add_argument(
        weights, dest="dense", type=find_weights, required=True, help="the network to compress: a file, or a run's name"
    )
    parser.add_argument("--data", type=Path, help="folder tree of HR pictures; needed unless --show")
    parser.add_argument("--out", type=Path, help="folder of the run (default: runs/<name>)")
    parser.add_argument("--resume", action="store_true", help="go on from where the run was stopped")
    parser.add_argument("--show", action="store_true", help="print what may be removed and the sizes, then stop")
    parser.add_argument("--max-steps", type=int, help="end each of the trainings after so many steps")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, ... (default: auto)")


def _add_srp(parser: argparse.ArgumentParser) -> None:
    _add_common(parser, SMALL_SRP)
    target = parser.add_mutually_exclusive_group()
    target.add_argument("--width", type=int, help="channels to leave in each group, instead of the recipe's target")
    target.add_argument("--ratio", type=float, help="share of the channels to remove")
    target.add_argument("--gmacs", type=float, help="most 10^9 multiply-accumulates for an HR picture of 1280x720")
    parser.set_defaults(run=_srp)


def _add_drc(parser: argparse.ArgumentParser) -> None:
    _add_common(parser, SMALL_DRC)
    parser.add_argument("--ratio", type=float, help="share of the cost to remove, instead of the recipe's")
    parser.add_argument("--widths", type=Path, help="prune to the widths of this file instead of searching")
    parser.add_argument("--teacher", type=find_weights, help="weights of a larger DRN to learn from while fine-tuning")
    parser.set_defaults(run=_drc)


def _add_memsr(parser: argparse.ArgumentParser) -> None:
    _add_common(parser, SMALL_MEMSR, weights="--teacher")
    start = parser.add_mutually_exclusive_group()
    start.add_argument("--student", choices=STUDENTS, help="name and widths, instead of the recipe's")
    start.add_argument(
        "--from", dest="student_weights", type=find_weights, help="train the result of an earlier run on"
    )
    parser.add_argument("--max-minutes", type=float, help="end the schedule after so many minutes of training")
    parser.set_defaults(run=_memsr)


def _srp(options: argparse.Namespace) -> None:
    recipe = read_srp_recipe(options.recipe)
    target = {"width": options.width, "ratio": options.ratio, "gmacs": options.gmacs}
    if any(value is not None for value in target.values()):
        recipe = replace(recipe, selection=replace(recipe.selection, **target))
    out = options.out or Path("runs") / options.recipe.stem
    _compress(StructuredPruning(recipe, options.dense, out), options)


def _drc(options: argparse.Namespace) -> None:
    recipe = read_drc_recipe(options.recipe)
    if options.ratio is not None:
        recipe = replace(recipe, widths=replace(recipe.widths, ratio=options.ratio))
    drc = DualRegressionCompression(recipe, options.dense, options.out, widths=options.widths, teacher=options.teacher)
    _compress(drc, options)


def _memsr(options: argparse.Namespace) -> None:
    recipe = read_memsr_recipe(options.recipe)
    if options.student:
        recipe = recipe.with_student(options.student)
    out = options.out or Path("runs") / recipe.name
    student = PlainStudent(recipe, options.dense, out, student=options.student_weights)
    _compress(student, options, minutes=options.max_minutes)


def _compress(
    method: StructuredPruning | DualRegressionCompression | PlainStudent,
    options: argparse.Namespace,
    *,
    minutes: float | None = None,
) -> None:
    print(method.describe())
    if options.show:
        return
    if not options.data:
        raise OptionError("expected --data with a folder of HR pictures to train on, or --show to train nothing")
    check_run_folder(method.out, resume=options.resume)
    device = choose_device(options.device)
    limits = Limits(steps=options.max_steps, minutes=minutes)
    print(method.run(scan_folder(options.data), device=device, limits=limits, resume=options.resume))


if __name__ == "__main__":
    sys.exit(main())
