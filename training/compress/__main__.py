"""`python -m training.compress srp|memsr ...`: a smaller network from a trained one."""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import training
from sr_infer.errors import OptionError
from training.command import run_command
from training.compress.memsr import STUDENTS, PlainStudent, read_memsr_recipe
from training.compress.srp import StructuredPruning, read_srp_recipe
from training.data.folder import scan_folder
from training.loop import Limits, choose_device

SMALL_SRP = Path(training.__file__).parent / "recipes" / "srp" / "srpn-lite-48.toml"
SMALL_MEMSR = Path(training.__file__).parent / "recipes" / "memsr" / "plain-m.toml"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m training.compress", description=__doc__)
    methods = parser.add_subparsers(required=True, metavar="METHOD")
    _add_memsr(methods.add_parser("memsr", help="a plain network from a residual teacher (ICML 2022)"))
    srp = methods.add_parser("srp", help="structure-regularised pruning (ICLR 2022)")
    srp.add_argument("recipe", type=Path, nargs="?", default=SMALL_SRP, help=f"TOML file (default: {SMALL_SRP.name})")
    srp.add_argument("--from", dest="dense", type=Path, required=True, help="weights of the network to prune")
    srp.add_argument("--data", type=Path, help="folder tree of HR pictures; needed unless --show")
    srp.add_argument("--out", type=Path, help="folder of the run (default: runs/<name of the recipe>)")
    srp.add_argument("--resume", action="store_true", help="go on from where the run was stopped")
    target = srp.add_mutually_exclusive_group()
    target.add_argument("--width", type=int, help="channels to leave in each group, instead of the recipe's target")
    target.add_argument("--ratio", type=float, help="share of the channels to remove")
    target.add_argument("--gmacs", type=float, help="most 10^9 multiply-accumulates for an HR picture of 1280x720")
    srp.add_argument("--show", action="store_true", help="print the groups of filters and the sizes, then stop")
    srp.add_argument("--max-steps", type=int, help="end each of the two trainings after so many steps")
    srp.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, ... (default: auto)")
    srp.set_defaults(run=_srp)
    options = parser.parse_args(arguments)
    return run_command(lambda: options.run(options))


def _add_memsr(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "recipe", type=Path, nargs="?", default=SMALL_MEMSR, help=f"TOML file (default: {SMALL_MEMSR.name})"
    )
    parser.add_argument("--teacher", type=Path, required=True, help="weights of the residual network to learn from")
    parser.add_argument("--student", choices=STUDENTS, help="name and widths, instead of the recipe's")
    parser.add_argument("--data", type=Path, help="folder tree of HR pictures; needed unless --show")
    parser.add_argument("--out", type=Path, help="folder of the run (default: runs/<name>)")
    parser.add_argument("--resume", action="store_true", help="go on from where the run was stopped")
    parser.add_argument("--show", action="store_true", help="print the teacher as a plain network, then stop")
    parser.add_argument("--max-steps", type=int, help="end the schedule after so many steps")
    parser.add_argument("--max-minutes", type=float, help="end the schedule after so many minutes of training")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, ... (default: auto)")
    parser.set_defaults(run=_memsr)


def _memsr(options: argparse.Namespace) -> None:
    recipe = read_memsr_recipe(options.recipe)
    if options.student:
        recipe = recipe.with_student(options.student)
    student = PlainStudent(recipe, options.teacher, options.out or Path("runs") / recipe.name)
    print(student.describe())
    if options.show:
        return
    if not options.data:
        raise OptionError("expected --data with a folder of HR pictures to train on, or --show to train nothing")
    device = choose_device(options.device)
    limits = Limits(steps=options.max_steps, minutes=options.max_minutes)
    print(student.run(scan_folder(options.data), device=device, limits=limits, resume=options.resume))


def _srp(options: argparse.Namespace) -> None:
    recipe = read_srp_recipe(options.recipe)
    target = {"width": options.width, "ratio": options.ratio, "gmacs": options.gmacs}
    if any(value is not None for value in target.values()):
        recipe = replace(recipe, selection=replace(recipe.selection, **target))
    pruning = StructuredPruning(recipe, options.dense, options.out or Path("runs") / options.recipe.stem)
    print(pruning.describe())
    if options.show:
        return
    if not options.data:
        raise OptionError("expected --data with a folder of HR pictures to train on, or --show to train nothing")
    device = choose_device(options.device)
    limits = Limits(steps=options.max_steps)
    print(pruning.run(scan_folder(options.data), device=device, limits=limits, resume=options.resume))


if __name__ == "__main__":
    sys.exit(main())
