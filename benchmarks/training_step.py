"""`python -m benchmarks.training_step RECIPE.toml --data DIR`: measure how fast a recipe trains on this device.

The command prints the time of a step, patches per second, the share of the time in which the device computes, and peak
memory. If a GPU computes much less than 100 % of the time, it waits for Python or for data. `--compile` or a larger
batch may help.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile

from training.command_line import run_command
from training.data.folder import scan_folder
from training.loop.distributed import choose_device
from training.loop.trainer import Limits, Trainer, peak_memory_bytes
from training.recipe import read_recipe

WARM_UP_STEPS = 3


@dataclass(frozen=True)
class StepTime:
    """Mean time of consecutive steps."""

    step_ms: float
    """Wall time of one step."""
    busy_share: float
    """Share of that time in the device's operators or kernels under torch's profiler, 0 to 1."""


def step_time(step: Callable[[], object], device: torch.device, *, steps: int) -> StepTime:
    """Time `steps` steps, then profile the same number, which is slower."""
    on_gpu = device.type == "cuda"
    wait: Callable[[], None] = torch.cuda.synchronize if on_gpu else lambda: None

    def wall_us() -> float:
        wait()
        start = time.perf_counter()
        for _ in range(steps):
            step()
        wait()
        return (time.perf_counter() - start) * 1e6

    step_ms = wall_us() / steps / 1e3
    with profile(activities=[ProfilerActivity.CUDA if on_gpu else ProfilerActivity.CPU], acc_events=True) as profiler:
        profiled_us = wall_us()
    events = profiler.key_averages()
    busy_us = sum(event.self_device_time_total if on_gpu else event.self_cpu_time_total for event in events)
    return StepTime(step_ms=step_ms, busy_share=min(busy_us / profiled_us, 1.0))


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.training_step", description=__doc__.partition("\n\n")[0]
    )
    parser.add_argument("recipe", type=Path, help="TOML file; see training/recipes")
    parser.add_argument("--data", type=Path, required=True, help="folder tree of HR images")
    parser.add_argument(
        "--steps", type=int, default=10, help="number of steps to time, and again to profile (default: 10)"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, ... (default: auto)")
    parser.add_argument("--compile", action="store_true", help="compile the training step before timing")
    options = parser.parse_args(arguments)
    if options.steps < 1:
        parser.error(f"expected at least 1 for --steps, got {options.steps}")
    return run_command(lambda: _measure(options))


def _measure(options: argparse.Namespace) -> None:
    recipe, device = read_recipe(options.recipe), choose_device(options.device)
    with tempfile.TemporaryDirectory(prefix="sr-training-step-") as folder:
        trainer = Trainer(recipe, scan_folder(options.data), Path(folder), device=device, limits=Limits())
        if options.compile:
            trainer.compile()
        trainer.record_cuda_graph()
        trainer.network.train()
        for _ in range(WARM_UP_STEPS):
            trainer.one_step()
        found = step_time(trainer.one_step, device, steps=options.steps)
    batch, patch_px = recipe.training.batch, recipe.training.lr_patch_px
    print(
        f"{recipe.name} on {device}: {found.step_ms:.1f} ms for a step of {batch} LR patches of {patch_px} px, "
        f"{batch / found.step_ms * 1e3:.1f} patches/s, device busy {found.busy_share:.0%} of the time, "
        f"peak memory {peak_memory_bytes(device) / 1e6:.0f} MB"
    )


if __name__ == "__main__":
    sys.exit(main())
