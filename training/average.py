"""`python -m training.average A.safetensors B.safetensors ... --output X.safetensors`: the mean of several weights.

Runs that began with the same weights end in one basin, and their mean is often better than each of them
(Wortsman et al., "Model soups", ICML 2022). Compare them with `python -m training.evaluate`, on validation pictures and
not on a benchmark.
"""

import argparse
import sys
from pathlib import Path

import torch

from sr_infer.errors import OptionError
from training.checkpoint import load_network, provenance, save_network
from training.command_line import run_command


def average(weights: list[Path], output: Path) -> None:
    """Write the mean of the weights, with recipe and history of the first.

    Raises:
        ModelNotFoundError, ModelError: there are no such weights.
        OptionError: they are of different networks, or fewer than two.
        OutputError: the file cannot be written.
    """
    if len(weights) < 2:
        raise OptionError(f"expected at least two weights to average, got {len(weights)}")
    loaded = [load_network(path) for path in weights]
    for path, (architecture, config, _, _) in zip(weights, loaded, strict=True):
        if (architecture, config) != loaded[0][:2]:
            raise OptionError(f"expected weights of one network, {path} are of another than {weights[0]}")
    _, _, network, header = loaded[0]
    states = [other.state_dict() for _, _, other, _ in loaded]
    network.load_state_dict({name: torch.stack([state[name] for state in states]).mean(0) for name in states[0]})
    others = " and ".join(provenance(path, with_earlier=False) for path in weights[1:])
    save_network(output, network, header["recipe"], {**header.get("history", {}), "averaged_with": others})


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m training.average", description=(__doc__ or "").partition("\n\n")[0]
    )
    parser.add_argument("weights", type=Path, nargs="+", help="of one network; the first gives the history")
    parser.add_argument("--output", type=Path, required=True, metavar="X.safetensors")
    options = parser.parse_args(arguments)
    return run_command(lambda: average(options.weights, options.output))


if __name__ == "__main__":
    sys.exit(main())
