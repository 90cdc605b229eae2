"""`python -m training.train RECIPE.toml --data DIR`: train one network."""

import argparse
import sys
from pathlib import Path

from training.checkpoint import find_weights
from training.command_line import check_run_folder, run_command
from training.data.folder import scan_folder
from training.loop.distributed import choose_device
from training.loop.trainer import Limits, Trainer
from training.recipe import read_recipe


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m training.train", description=__doc__)
    parser.add_argument("recipe", type=Path, help="TOML file; see training/recipes")
    parser.add_argument("--data", type=Path, required=True, help="folder tree of HR pictures")
    parser.add_argument("--out", type=Path, help="folder of the run (default: runs/<name>)")
    parser.add_argument("--resume", action="store_true", help="go on from the run's checkpoint, if there is one")
    parser.add_argument(
        "--from", dest="weights", type=find_weights, help="start from the fitting tensors of these weights"
    )
    parser.add_argument(
        "--teacher",
        type=find_weights,
        help="weights whose self-ensemble gives the recipe's teacher_share of the targets",
    )
    parser.add_argument("--max-steps", type=int, help="end the schedule after so many steps")
    parser.add_argument("--max-minutes", type=float, help="end the schedule after so many minutes of training")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, ... (default: auto)")
    parser.add_argument("--compile", action="store_true", help="compile the step: minutes at first, then faster")
    options = parser.parse_args(arguments)
    return run_command(lambda: _train(options))


def _train(options: argparse.Namespace) -> None:
    recipe = read_recipe(options.recipe)
    out = options.out or Path("runs") / recipe.name
    check_run_folder(out, resume=options.resume)
    trainer = Trainer(
        recipe,
        scan_folder(options.data),
        out,
        device=choose_device(options.device),
        limits=Limits(steps=options.max_steps, minutes=options.max_minutes),
    )
    if options.teacher:
        trainer.learn_from(options.teacher)
    trainer.resume_or_start(options.weights)
    if options.compile:
        trainer.compile()
    trainer.record_cuda_graph()
    print(trainer.run())


if __name__ == "__main__":
    sys.exit(main())
