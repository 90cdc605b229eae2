"""`python -m training.train RECIPE.toml --data DIR`: train one network."""

import argparse
import logging
import signal
import sys
from pathlib import Path

import torch
import torch.distributed as dist

from sr_infer.errors import SrInferError
from training.data.folder import scan_folder
from training.loop import Limits, Trainer, join_processes
from training.recipe import read_recipe


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m training.train", description=__doc__)
    parser.add_argument("recipe", type=Path, help="TOML file; see training/recipes")
    parser.add_argument("--data", type=Path, required=True, help="folder tree of HR pictures")
    parser.add_argument("--out", type=Path, help="folder of the run (default: runs/<name>)")
    parser.add_argument("--resume", action="store_true", help="go on from the run's checkpoint")
    parser.add_argument("--from", dest="weights", type=Path, help="start from the fitting tensors of these weights")
    parser.add_argument("--max-steps", type=int, help="end the schedule after so many steps")
    parser.add_argument("--max-minutes", type=float, help="end the schedule after so many minutes of training")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, ... (default: auto)")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return _train(options)
    except SrInferError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; the same command with --resume goes on", file=sys.stderr)
        return 130
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()


def _train(options: argparse.Namespace) -> int:
    recipe = read_recipe(options.recipe)
    device = join_processes() or torch.device(
        ("cuda" if torch.cuda.is_available() else "cpu") if options.device == "auto" else options.device
    )
    trainer = Trainer(
        recipe,
        scan_folder(options.data),
        options.out or Path("runs") / recipe.name,
        device=device,
        limits=Limits(steps=options.max_steps, minutes=options.max_minutes),
    )
    if options.resume:
        trainer.resume()
    elif options.weights:
        trainer.start_from(options.weights)
    print(trainer.run())
    return 0


if __name__ == "__main__":
    sys.exit(main())
