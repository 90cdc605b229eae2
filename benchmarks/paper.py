"""`python -m benchmarks.paper`: compare the papers' printed costs with those of our networks.

The exit code is 1 if a difference is not a known one, or if a known difference has changed.
"""

import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from torch import nn

from training.networks import PlainConfig, build_network
from training.networks.cost import count_macs, count_parameters
from training.recipe import read_recipe

PLAIN_L_CONVOLUTIONS = 35
"""MemSR's table 9; `python -m training.compress memsr --student plain-l` builds the same network."""
RECIPES = Path(__file__).parent.parent / "training" / "recipes" / "paper"


@dataclass(frozen=True)
class Convention:
    """Rules by which a paper counts parameters and multiply-accumulates."""

    parameters: str
    macs: str
    mean_shift: bool
    """Whether parameters include the 24 of the two mean shifts."""
    bias: bool
    """Whether a bias counts as one multiply-accumulate."""
    hr_wh: tuple[int, int] | None
    """Width and height of the HR image for which MACs are counted; None means an LR image of 96x96 px."""
    pyramid: bool = False
    """Whether the output images of all resolutions count."""
    thousand: int = 1000


DRN = Convention(
    "with mean shifts", "96x96 LR, biases and all output images counted", True, True, hr_wh=None, pyramid=True
)
SRP = Convention("without mean shifts", "1280x720 HR, biases not counted", False, False, hr_wh=(1280, 720))
MEMSR = Convention(
    "without mean shifts, K = 1024", "1920x1080 HR, biases counted", False, True, hr_wh=(1920, 1080), thousand=1024
)


@dataclass(frozen=True)
class PrintedRow:
    """One row of a paper's table. A value is empty if the table does not print it."""

    table: str
    network: str
    convention: Convention
    parameters: str = ""
    """Printed number of parameters, such as "4.8 M" or "609,042"."""
    gmacs: str = ""


ROWS = (
    PrintedRow("DRN, x4", "drn-s-x4", DRN, "4.8 M", "109.9"),
    PrintedRow("DRN, x4", "drn-l-x4", DRN, "9.8 M", "224.8"),
    PrintedRow("DRN, x4", "drn-s30-x4", DRN, "3.1 M", "72.3"),
    PrintedRow("DRN, x4", "drn-s50-x4", DRN, "2.3 M", "53.1"),
    PrintedRow("DRN, x4", "drn-s70-x4", DRN, "1.4 M", "32.8"),
    PrintedRow("DRN, x8", "drn-s-x8", DRN, "5.4 M", "197.9"),
    PrintedRow("DRN, x8", "drn-l-x8", DRN, "10.0 M", "366.5"),
    PrintedRow("DRN, x8", "drn-s30-x8", DRN, "3.5 M", "124.1"),
    PrintedRow("DRN, x8", "drn-s50-x8", DRN, "2.5 M", "94.5"),
    PrintedRow("DRN, x8", "drn-s70-x8", DRN, "1.6 M", "53.6"),
    PrintedRow("SRP, EDSR", "edsr-baseline-x2", SRP, "1,369.9 K", "316.3"),
    PrintedRow("SRP, SRPN-Lite", "srpn-lite-x2", SRP, "609.0 K", "139.9"),
    PrintedRow("SRP, SRPN-Lite", "srpn-lite-x3", SRP, "615.1 K", "62.7"),
    PrintedRow("SRP, SRPN-Lite", "srpn-lite-x4", SRP, "623.7 K", "35.8"),
    PrintedRow("SRP, SRPN", "srpn-x2", SRP, "15.3 M"),
    PrintedRow("MemSR, Plain-M", "memsr-plain-m-x2", MEMSR, "1,219 K", "636"),
    PrintedRow("MemSR, Plain-M", "memsr-plain-m-x3", MEMSR, "1,219 K", "285"),
    PrintedRow("MemSR, Plain-M", "memsr-plain-m-x4", MEMSR, "1,219 K", "162"),
    PrintedRow("MemSR, Plain-L", "memsr-plain-l-x2", MEMSR, "3,005 K", "1595"),
    PrintedRow("MemSR, Plain-L", "memsr-plain-l-x4", MEMSR, "3,005 K", "402"),
)
"""DRN's tables 1-3, SRP's 1-2, MemSR's 5 and 12. Plain-X is not rebuilt: its widths depend on the teacher's weights."""

_WIDTHS = "the published widths give 0.1 to 0.5 % fewer than printed; the parameters agree"
_ONE_COUNT = "the paper prints one count for all scales"
_PLAIN_L = "the paper prints the cost of 36 convolutions of 100 channels, its table 9 lists 35"
KNOWN = {
    ("drn-s30-x4", "GMACs"): ("72.2", _WIDTHS),
    ("drn-s50-x4", "GMACs"): ("53.0", _WIDTHS),
    ("drn-s70-x4", "GMACs"): ("32.7", _WIDTHS),
    ("drn-s30-x8", "GMACs"): ("123.8", _WIDTHS),
    ("drn-s50-x8", "GMACs"): ("94.2", _WIDTHS),
    ("drn-s70-x8", "GMACs"): ("53.3", _WIDTHS),
    ("drn-l-x8", "GMACs"): ("366.4", "0.04 % fewer than printed; what else the paper counts is not said"),
    ("edsr-baseline-x2", "GMACs"): ("316.2", "316.25; with the two mean shifts, 9 each a pixel, it is 316.26"),
    ("srpn-lite-x2", "GMACs"): ("140.0", "139.97 is cut off, not rounded, in print"),
    ("memsr-plain-m-x2", "parameters"): ("1,199 K", _ONE_COUNT + ", that of x4"),
    ("memsr-plain-m-x3", "parameters"): ("1,207 K", _ONE_COUNT + ", that of x4"),
    ("memsr-plain-l-x2", "parameters"): ("2,917 K", _PLAIN_L),
    ("memsr-plain-l-x2", "GMACs"): ("1548", _PLAIN_L),
    ("memsr-plain-l-x4", "parameters"): ("2,949 K", f"{_PLAIN_L}; {_ONE_COUNT}, that of x2"),
    ("memsr-plain-l-x4", "GMACs"): ("391", _PLAIN_L),
}
"""Our value and the reason why it differs from the printed one, by (network, column)."""


@dataclass(frozen=True)
class PrintedValue:
    """One printed value, and our value with the same rounding."""

    row: PrintedRow
    column: str
    printed: str
    ours: str
    reason: str
    """Reason of a known difference; empty otherwise."""

    @property
    def verdict(self) -> str:
        if self.ours == self.printed:
            return "equal"
        return f"known: {self.reason}" if self.reason else "DIFFERS"


def compare_printed_values() -> list[PrintedValue]:
    """Compare all printed values with ours."""
    found = []
    for row in ROWS:
        for column, printed in (("parameters", row.parameters), ("GMACs", row.gmacs)):
            if not printed:
                continue
            exact = parameters(row) if column == "parameters" else macs(row) / 1e9
            ours = _round_like(printed, exact, row.convention.thousand)
            known, reason = KNOWN.get((row.network, column), ("", ""))
            found.append(PrintedValue(row, column, printed, ours, reason if ours == known else ""))
    return found


@cache
def parameters(row: PrintedRow) -> int:
    return count_parameters(_network(row.network), mean_shift=row.convention.mean_shift)


@cache
def macs(row: PrintedRow) -> int:
    """Count multiply-accumulates for the size of the paper's image, rounded down to whole LR pixels."""
    network, convention = _network(row.network), row.convention
    forward = network.pyramid if convention.pyramid else None
    counted = count_macs(network, (96, 96), bias=convention.bias, forward=forward)
    if convention.hr_wh is None:
        return counted
    lr_width, lr_height = (side // network.config.scale for side in convention.hr_wh)
    return counted * lr_width * lr_height // 96**2


def main() -> int:
    rows = compare_printed_values()
    print("| table | network | column | counted | printed | ours | |")
    print("|---|---|---|---|---|---|---|")
    for value in rows:
        convention = value.row.convention
        counted = convention.parameters if value.column == "parameters" else convention.macs
        cells = (value.row.table, value.row.network, value.column, counted, value.printed, value.ours)
        print(f"| {' | '.join(cells)} | {value.verdict} |")
    different = [value for value in rows if value.verdict == "DIFFERS"]
    for value in different:
        print(f"{value.row.network}: {value.column} printed as {value.printed}, ours is {value.ours}", file=sys.stderr)
    return 1 if different else 0


@cache
def _network(name: str) -> nn.Module:
    with torch.device("meta"):  # leaves out the random weights, which take most of the time
        if name.startswith("memsr-plain-l-x"):
            config = PlainConfig(scale=int(name[-1]), widths=(100,) * (PLAIN_L_CONVOLUTIONS - 1))
            network = build_network("plain", config)
        else:
            recipe = read_recipe(RECIPES / f"{name}.toml")
            network = build_network(recipe.architecture, recipe.network)
    return network.to_empty(device="cpu")


def _round_like(printed: str, value: float, thousand: int) -> str:
    """Format `value` with the unit and the number of decimals of `printed`."""
    number, _, unit = printed.partition(" ")
    value /= {"": 1, "K": thousand, "M": 1_000_000}[unit]
    decimals = len(number.partition(".")[2])
    comma = "," if "," in number else ""
    return f"{value:{comma}.{decimals}f} {unit}".strip()


if __name__ == "__main__":
    sys.exit(main())
