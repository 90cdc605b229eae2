"""Candidate inner widths of a compressed DRN, their choice within a budget, and the file that holds them
(arXiv 2207.07929).
"""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Literal

from sr_infer.atomic_file import atomic_write
from sr_infer.errors import OptionError
from training.compress.cost import LR_SIZE_HW, Cost, Unit
from training.compress.inner_layers import InnerLayers
from training.networks import Network
from training.networks.cost import count_macs, count_parameters
from training.settings import check_table


@dataclass(frozen=True, kw_only=True)
class WidthsOptions:
    """The table `[widths]`.

    Raises:
        OptionError: a value is out of range.
    """

    ratio: float = 0.5
    """r: the result costs at most 1 - r of the dense network."""
    by: Literal["search", "uniform"] = "search"
    """Channel number search, or `c - floor(c r)` of the c channels of every layer, whatever the other settings are."""
    factors: tuple[float, ...] = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
    """V: a layer of c channels may get c (1 - r) v channels, at most c. The paper has no factor above 1. With such a
    factor a layer may keep more than its share, and other layers keep less, so that the budget holds."""
    multiple: int = 16
    """Searched widths are rounded to a multiple of this, but not to 0. The authors' code has 4; onnxruntime on AVX-512
    is as fast with the next multiple of 16."""
    budget: Unit = "macs"
    """The cost that `ratio` bounds: multiply-accumulates, parameters, or milliseconds in `latency_table`."""
    fill: bool = True
    """Widen the layers that are cheapest to widen if the search stays below the budget; the paper does not."""
    latency_table: str = ""
    """JSON of `python -m benchmarks.layer_latency`, beside the recipe."""

    def __post_init__(self) -> None:
        if not 0 < self.ratio < 1:
            raise OptionError(f"ratio must be between 0 and 1, got {self.ratio}")
        if self.by not in ("search", "uniform"):
            raise OptionError(f'by is "search" or "uniform", not {self.by!r}')
        if not self.factors or not all(0 < factor < inf for factor in self.factors) or self.multiple < 1:
            raise OptionError(f"expected factors above 0 and a multiple of at least 1, got {self}")
        if self.budget not in ("macs", "parameters", "ms"):
            raise OptionError(f'budget is "macs", "parameters" or "ms", not {self.budget!r}')
        if (self.budget == "ms") != bool(self.latency_table):
            raise OptionError('the budget "ms" and a latency_table belong together')

    def candidates(self, width: int) -> tuple[int, ...]:
        """Widths that a layer with `width` channels may get, ascending."""
        if self.by == "uniform":
            return (width - self._removed(width),)
        return tuple(sorted({self._rounded(width, factor * (1 - self.ratio)) for factor in self.factors}))

    def _rounded(self, width: int, share: float) -> int:
        """Round as the authors do: down to a whole number, then to the nearest multiple, ties down."""
        whole, rest = divmod(int(round(width * share, 9)), self.multiple)
        return min(width, max(1, whole + (2 * rest > self.multiple)) * self.multiple)

    def uniform(self, inner: InnerLayers) -> tuple[int, ...]:
        """Every layer without `ratio` of its channels, `c - floor(c r)`, as in the paper's table 3."""
        return tuple(width - self._removed(width) for width in inner.widths)

    def _removed(self, width: int) -> int:
        return int(round(width * self.ratio, 9))

    def projected(self, preferences: Sequence[dict[int, float]], cost: Cost) -> tuple[int, ...]:
        """Start from the preferred width of each layer. Narrow the layer that loses the least preference for its saving
        until the budget is kept. With `fill`, then widen the layer that gains the most for its cost while the budget
        allows.

        Args:
            preferences: log probability of each candidate, for every layer.
            cost: psi.

        Raises:
            OptionError: the narrowest candidates cost more.
        """
        widths = [max(row, key=row.__getitem__) for row in preferences]
        while (now := cost.of(widths)) > self.allowed(cost):
            changes = _changes(preferences, widths, cost, wider=False)
            if not changes:
                raise self._too_small(cost, widths)
            widths = min(changes, key=lambda change: change.lost / (now - change.cost)).widths
        while self.fill:
            now = cost.of(widths)
            changes = _changes(preferences, widths, cost, wider=True)
            within = [change for change in changes if change.cost <= self.allowed(cost)]
            if not within:
                break
            widths = min(within, key=lambda change: change.lost / (change.cost - now)).widths
        return tuple(widths)

    def allowed(self, cost: Cost) -> float:
        """`(1 - r) psi(P)`."""
        return (1 - self.ratio) * cost.dense

    def _too_small(self, cost: Cost, widths: Sequence[int]) -> OptionError:
        return OptionError(
            f"the narrowest widths leave {cost.of(widths) / cost.dense:.3f} of the {self.budget}, more than "
            f"1 - ratio = {1 - self.ratio:.3f}; give a smaller ratio or multiple, or smaller factors"
        )


@dataclass(frozen=True)
class _Change:
    """Of one layer's width."""

    widths: list[int]
    cost: float
    lost: float
    """Log probability."""


def _changes(preferences: Sequence[dict[int, float]], widths: list[int], cost: Cost, *, wider: bool) -> list[_Change]:
    """Those that cost more, or less, than `widths` do."""
    now, changes = cost.of(widths), []
    for index, row in enumerate(preferences):
        for width in row:
            changed = [*widths[:index], width, *widths[index + 1 :]]
            then = cost.of(changed)
            if width != widths[index] and (width > widths[index]) == wider == (then > now) and then != now:
                changes.append(_Change(changed, then, row[widths[index]] - row[width]))
    return changes


def write_widths(path: Path, network: Network, inner: InnerLayers, widths: Sequence[int]) -> None:
    """Write TOML: inner widths by the writer's module name, and the network's size as a comment.

    Raises:
        OutputError: the file cannot be written.
    """
    narrow = inner.narrowed(network, [range(width) for width in widths])
    macs = count_macs(narrow, LR_SIZE_HW, bias=True, forward=narrow.pyramid)
    lines = [
        f"parameters = {count_parameters(narrow, mean_shift=True)}  # with mean shifts",
        f"macs = {macs}  # all images, 96x96 LR, with biases",
        "",
        "[widths]",
        *(f'"{layer.writer}" = {width}' for layer, width in zip(inner.layers, widths, strict=True)),
    ]
    with atomic_write(path, make_folder=True) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")


def read_widths(path: Path, inner: InnerLayers) -> tuple[int, ...]:
    """The inner widths of a file, in the order of the network.

    Raises:
        OptionError: the file is missing or not TOML, or does not fit the network.
    """
    try:
        given = tomllib.loads(path.read_text(encoding="utf-8")).get("widths", {})
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise OptionError(f"cannot read the widths in {path}: {error!r}") from error
    check_table(given, where=f"{path} [widths]")
    dense = {layer.writer: layer.width for layer in inner.layers}
    if given.keys() != dense.keys():
        wrong = ", ".join(sorted(given.keys() ^ dense.keys())[:4])
        raise OptionError(
            f"{path}: expected one width for each inner layer of the network; missing or unknown: {wrong}"
        )
    for name, width in given.items():
        if not isinstance(width, int) or not 1 <= width <= dense[name]:
            raise OptionError(f"{path}: {name} has {dense[name]} channels and can get 1 to that, not {width}")
    return tuple(given[layer.writer] for layer in inner.layers)
