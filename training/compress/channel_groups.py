"""Groups of filters that must be removed together, from the traced graph (SRP, section 3.2: free and constrained).

Every filter starts as a channel of its own, and the channels are followed through the graph. Where two tensors are
added or multiplied, channels at the same place become one: none of them can be removed without the other. PixelShuffle
makes one channel of factor^2, a concatenation appends channels, a convolution reads channels and writes new ones.
Layers that write the same channels form a group: alone it is free, with others it is tied.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, fx, nn

from sr_infer.errors import OptionError
from training.networks.blocks import MeanShift

CHANNEL_BY_CHANNEL = {"relu", "ReLU", "leaky_relu", "LeakyReLU", "sigmoid", "mean", "interpolate"}
"""Operations that treat every channel by itself."""
ELEMENTWISE = {"add", "mul"}


@dataclass(frozen=True)
class Group:
    """Channels that are written by the same layers."""

    layers: tuple[str, ...]
    channels: tuple[int, ...]

    @property
    def is_tied(self) -> bool:
        return len(self.layers) > 1


@dataclass(frozen=True)
class ChannelGroups:
    """The result of `trace_channel_groups`. Channels are numbers; equal numbers mean the same channel."""

    inputs: dict[str, Tensor]
    """The channel of each input of each convolution, by module name, in the order of the graph; int64."""
    outputs: dict[str, Tensor]
    """The channel of each filter of each convolution."""
    groups: tuple[Group, ...]
    """What may be pruned."""

    def filters(self, channels: Iterable[int]) -> dict[str, Tensor]:
        """Indices of the filters that write these channels, for every layer that has any; int64, ascending."""
        wanted = torch.tensor(sorted(channels), dtype=torch.long)
        found = {layer: torch.isin(written, wanted).nonzero()[:, 0] for layer, written in self.outputs.items()}
        return {layer: filters for layer, filters in found.items() if len(filters)}

    def table(self, removed: Iterable[int] = ()) -> str:
        """One line a group: free, tied or kept; channels before and after removing `removed`; the layers."""
        gone = set(removed)
        rows = [
            ("tied" if group.is_tied else "free", len(group.channels), len(set(group.channels) - gone), group.layers)
            for group in self.groups
        ]
        prunable = {layer for group in self.groups for layer in group.layers}
        for layer, written in self.outputs.items():
            if layer not in prunable:
                rows.append(("kept", len(written), len(written), (layer,)))
        lines = [f"{kind:6}{before:>8}{after:>7}  {_names(layers)}" for kind, before, after, layers in rows]
        return "\n".join([f"{'group':6}{'channels':>8}{'left':>7}  layers", *lines])


def trace_channel_groups(
    network: nn.Module,
    *,
    tied: Sequence[Sequence[str]] = (),
    kept: Sequence[str] = (),
    upsamplers: bool = False,
) -> ChannelGroups:
    """Trace `network` and group its filters.

    Args:
        network: any; one with a method `pyramid`, like ours, is traced with its images of all resolutions.
        tied: convolutions by module name that must lose the same filters, in addition to what the graph shows.
        kept: convolutions that lose none. Those that write the picture never do.
        upsamplers: whether filters in front of a PixelShuffle, the tail of the papers' networks, may be pruned too.

    Raises:
        OptionError: the graph has an operation whose treatment of channels is not known, or `tied` or `kept` names what
            is no convolution of the network or has another number of filters.
    """
    tracer = _Tracer()
    tracer.traced_func_name = "pyramid" if hasattr(network, "pyramid") else "forward"
    channels = _Channels()
    inputs: dict[str, list[int]] = {}
    outputs: dict[str, list[int]] = {}
    values: dict[fx.Node, list[int]] = {}
    fixed: list[int] = []
    for node in tracer.trace(network).nodes:
        operands = [values[operand] for operand in node.all_input_nodes]
        module = network.get_submodule(node.target) if node.op == "call_module" else None
        name = type(module).__name__ if module else getattr(node.target, "__name__", node.target)
        if node.op == "placeholder":
            values[node] = channels.new(3)
            fixed += values[node]
        elif isinstance(module, nn.Conv2d) and module.groups == 1:
            channels.join(inputs.setdefault(node.target, operands[0]), operands[0])
            if node.target not in outputs:
                outputs[node.target] = channels.new(module.out_channels)
            values[node] = outputs[node.target]
        elif isinstance(module, MeanShift):
            values[node] = channels.new(3)
            fixed += operands[0] + values[node]
        elif isinstance(module, nn.PixelShuffle):
            values[node] = channels.shuffle(operands[0], module.upscale_factor**2)
            if not upsamplers:
                fixed += values[node]
        elif name == "cat":
            values[node] = [channel for operand in operands for channel in operand]
        elif name in ELEMENTWISE:
            for operand in operands[1:]:
                channels.join(operands[0], operand)
            values[node] = operands[0]
        elif name in CHANNEL_BY_CHANNEL:
            values[node] = operands[0]
        elif node.op == "output":
            fixed += [channel for operand in operands for channel in operand]
        else:
            raise OptionError(
                f"{node.format_node()}: expected a convolution, PixelShuffle, cat, {', '.join(sorted(ELEMENTWISE))}, "
                f"{', '.join(sorted(CHANNEL_BY_CHANNEL))}; add {name} to training/compress/channel_groups.py"
            )
    for names in (*tied, kept):
        if unknown := [name for name in names if name not in outputs]:
            raise OptionError(f"no convolution is called {', '.join(unknown)}; there are {_names(tuple(outputs), 99)}")
    for first, *others in tied:
        for other in others:
            channels.join(outputs[first], outputs[other])
    fixed += [channel for layer in kept for channel in outputs[layer]]
    return ChannelGroups(
        {layer: channels.final(ids) for layer, ids in inputs.items()},
        {layer: channels.final(ids) for layer, ids in outputs.items()},
        _group(outputs, channels, set(channels.final(fixed).tolist())),
    )


def _group(outputs: dict[str, list[int]], channels: "_Channels", fixed: set[int]) -> tuple[Group, ...]:
    writers: dict[int, dict[str, None]] = {}
    for layer, ids in outputs.items():
        for channel in channels.final(ids).tolist():
            if channel not in fixed:
                writers.setdefault(channel, {})[layer] = None
    groups: dict[tuple[str, ...], list[int]] = {}
    for channel, layers in writers.items():
        groups.setdefault(tuple(layers), []).append(channel)
    return tuple(Group(layers, tuple(members)) for layers, members in groups.items())


def _names(layers: tuple[str, ...], most: int = 4) -> str:
    if len(layers) <= most:
        return ", ".join(layers)
    return f"{', '.join(layers[: most - 1])}, ... {layers[-1]} ({len(layers)} layers)"


class _Tracer(fx.Tracer):
    def is_leaf_module(self, module: nn.Module, name: str) -> bool:
        return isinstance(module, MeanShift) or super().is_leaf_module(module, name)


class _Channels:
    """Disjoint sets (union-find) of channels."""

    def __init__(self) -> None:
        self._parents: list[int] = []

    def new(self, count: int) -> list[int]:
        start = len(self._parents)
        self._parents += range(start, start + count)
        return list(range(start, start + count))

    def join(self, some: list[int], others: list[int]) -> None:
        if len(some) != len(others):
            raise OptionError(f"{len(some)} channels cannot be tied to {len(others)}")
        for one, other in zip(some, others, strict=True):
            one, other = sorted((self._root(one), self._root(other)))
            self._parents[other] = one

    def shuffle(self, channels: list[int], share: int) -> list[int]:
        """One channel of each `share` successive ones."""
        firsts = channels[::share]
        for offset in range(1, share):
            self.join(firsts, channels[offset::share])
        return firsts

    def final(self, channels: list[int]) -> Tensor:
        return torch.tensor([self._root(channel) for channel in channels], dtype=torch.long)

    def _root(self, channel: int) -> int:
        while channel != self._parents[channel]:
            self._parents[channel] = channel = self._parents[self._parents[channel]]
        return channel
