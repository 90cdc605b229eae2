"""The cost of a network as a function of its inner widths, fast enough for every step of a search."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from sr_infer.errors import OptionError
from training.compress.inner_layers import InnerLayers
from training.networks import Network
from training.networks.blocks import convolution_of
from training.networks.cost import count_parameters

LR_SIZE_HW = (96, 96)
"""The LR size for which DRN's papers count."""

Unit = Literal["macs", "parameters", "ms"]


class Cost(Protocol):
    """Psi of DRN's section 3.2."""

    @property
    def dense(self) -> float:
        """Of the network as it is."""

    def of(self, widths: Sequence[int]) -> float:
        """With these inner widths."""

    def expected(self, candidates: Sequence[Sequence[int]], probabilities: Sequence[Tensor]) -> Tensor:
        """Expected cost when inner widths are drawn from `candidates`; differentiable."""


class CountedCost:
    """Multiply-accumulates with biases, at 96x96 LR and of the images of all resolutions, or parameters."""

    def __init__(self, network: Network, inner: InnerLayers, unit: Literal["macs", "parameters"]) -> None:
        positions = _positions(network)
        index_of_writer = {layer.writer: index for index, layer in enumerate(inner.layers)}
        index_of_reader = {layer.reader: index for index, layer in enumerate(inner.layers)}
        unchanged = len(inner.layers)
        self._dense_widths = torch.tensor(inner.widths, dtype=torch.float64)
        self._outputs, self._inputs = list[int](), list[int]()
        weights, biases = list[float](), list[float]()
        for name, count in positions.items():
            layer = convolution_of(network, name)
            times = count if unit == "macs" else 1
            weights.append(float(layer.weight.numel() * times))
            biases.append(float(layer.out_channels * times if layer.bias is not None else 0))
            self._outputs.append(index_of_writer.get(name, unchanged))
            self._inputs.append(index_of_reader.get(name, unchanged))
        self._weights, self._biases = (torch.tensor(terms, dtype=torch.float64) for terms in (weights, biases))
        left_out = count_parameters(network, mean_shift=True) - count_parameters(network, mean_shift=False)
        self._mean_shifts = left_out if unit == "parameters" else 0
        self.dense = self.of(inner.widths)

    def of(self, widths: Sequence[int]) -> float:
        return self._total(torch.tensor(widths, dtype=torch.float64)).item()

    def expected(self, candidates: Sequence[Sequence[int]], probabilities: Sequence[Tensor]) -> Tensor:
        pairs = zip(candidates, probabilities, strict=True)
        return self._total(torch.stack([(p.double().cpu() * torch.tensor(c)).sum() for c, p in pairs]))

    def _total(self, widths: Tensor) -> Tensor:
        share = torch.cat((widths / self._dense_widths, torch.ones(1, dtype=torch.float64)))
        outputs, inputs = share[self._outputs], share[self._inputs]
        return (self._weights * outputs * inputs + self._biases * outputs).sum() + self._mean_shifts


@dataclass(frozen=True)
class MeasuredCost:
    """Milliseconds on one CPU, from a table that `python -m benchmarks.layer_latency` measured."""

    dense: float
    table: tuple[dict[int, float], ...]
    """Width to milliseconds, for each inner layer."""

    def of(self, widths: Sequence[int]) -> float:
        return self.dense - sum(ms[max(ms)] - ms[width] for ms, width in zip(self.table, widths, strict=True))

    def expected(self, candidates: Sequence[Sequence[int]], probabilities: Sequence[Tensor]) -> Tensor:
        total = torch.tensor(self.of([max(ms) for ms in self.table]))
        for ms, widths, shares in zip(self.table, candidates, probabilities, strict=True):
            total = total + (shares.cpu() * torch.tensor([ms[width] - ms[max(ms)] for width in widths])).sum()
        return total


def read_latency_table(path: Path, inner: InnerLayers, candidates: Sequence[Sequence[int]]) -> MeasuredCost:
    """
    Raises:
        OptionError: the file is missing or no such table, or lacks a layer or width that the search may choose.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        layers = {name: {int(width): float(ms) for width, ms in row.items()} for name, row in content["layers"].items()}
        dense_ms = float(content["network_ms"])
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise OptionError(f"{path}: expected a table of python -m benchmarks.layer_latency ({error!r})") from error
    for layer, widths in zip(inner.layers, candidates, strict=True):
        if missing := {layer.width, *widths} - layers.get(layer.writer, {}).keys():
            raise OptionError(f"{path} was not measured for {layer.writer} with {sorted(missing)} channels")
    return MeasuredCost(dense_ms, tuple(layers[layer.writer] for layer in inner.layers))


def _positions(network: Network) -> dict[str, int]:
    """How often each convolution's kernel is applied."""
    counts: dict[str, int] = {}
    names = {module: name for name, module in network.named_modules() if isinstance(module, nn.Conv2d)}

    def count(layer: nn.Conv2d, _: tuple[Tensor, ...], output: Tensor) -> None:
        counts[names[layer]] = counts.get(names[layer], 0) + output[0, 0].numel()

    hooks = [module.register_forward_hook(count) for module in names]
    with torch.no_grad(), FakeTensorMode(allow_non_fake_inputs=True):
        network.pyramid(torch.empty(1, 3, *LR_SIZE_HW, device=next(network.parameters()).device))
    for hook in hooks:
        hook.remove()
    return counts
