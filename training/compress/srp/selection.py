"""How many channels of each group are removed, and which (SRP, section 3.2)."""

from dataclasses import dataclass
from math import ceil
from typing import Literal

import torch
from torch import Tensor

from sr_infer.errors import OptionError
from training.compress.channel_groups import ChannelGroups
from training.compress.remove_channels import remove_channels
from training.networks import Network
from training.networks.blocks import convolution_of
from training.networks.cost import count_macs

HR_720P_PX = 1280 * 720
RATIO_STEPS = 1000
"""A target in multiply-accumulates is reached by the smallest sufficient ratio, in steps of 1 / RATIO_STEPS."""


@dataclass(frozen=True, kw_only=True)
class Selection:
    """The table `[selection]`: exactly one of `ratio`, `width` and `gmacs`, and which channels go.

    Raises:
        OptionError: none or several of the three are given, or a value is out of range.
    """

    ratio: float | None = None
    """Share of each group's channels to remove: min(ceil(ratio n), n - 1) of n."""
    width: int | None = None
    """Channels to leave in each group; narrower groups stay as they are."""
    gmacs: float | None = None
    """Most multiply-accumulates, in 10^9, for an HR picture of 1280x720, biases not counted; every group loses the same
    share."""
    multiple: int = 1
    """Remaining widths are rounded up to a multiple of this; 8 or 16 suit the vector units of CPUs."""
    tied_by: Literal["random", "norm"] = "random"
    """Tied groups lose a random set, as in the paper, or the channels whose filters are smallest together."""
    seed: int = 1
    """Of the random sets."""
    upsamplers: bool = False
    """Whether filters before a PixelShuffle may be removed as well; the paper keeps them."""
    tied: tuple[tuple[str, ...], ...] = ()
    """Layers, by module name, to tie in addition to what the graph shows."""
    kept: tuple[str, ...] = ()
    """Layers that lose no filter."""

    def __post_init__(self) -> None:
        if sum(target is not None for target in (self.ratio, self.width, self.gmacs)) != 1:
            raise OptionError(f"give one of ratio, width and gmacs, got {self.ratio=}, {self.width=}, {self.gmacs=}")
        if self.ratio is not None and not 0 <= self.ratio < 1:
            raise OptionError(f"ratio must be in [0, 1), got {self.ratio}")
        if self.width is not None and self.width < 1:
            raise OptionError(f"width must be at least 1, got {self.width}")
        if self.multiple < 1:
            raise OptionError(f"multiple must be at least 1, got {self.multiple}")
        if self.tied_by not in ("random", "norm"):
            raise OptionError(f'tied_by is "random" or "norm", not {self.tied_by!r}')


def select_channels(network: Network, channel_groups: ChannelGroups, selection: Selection) -> frozenset[int]:
    """The channels to remove.

    Raises:
        OptionError: no ratio brings the network down to `selection.gmacs`.
    """
    orders = _removal_orders(network, channel_groups, selection)
    if selection.width is not None:
        return _first(orders, [min(len(order), selection.width) for order in orders], selection.multiple)
    if selection.ratio is not None:
        return _at_ratio(orders, selection.ratio, selection.multiple)
    most = selection.gmacs or 0.0
    low, high = 0, RATIO_STEPS - 1
    if _gmacs(network, channel_groups, _at_ratio(orders, high / RATIO_STEPS, selection.multiple)) > most:
        raise OptionError(f"no ratio brings this network down to {most} GMACs at 1280x720")
    while low < high:
        middle = (low + high) // 2
        removed = _at_ratio(orders, middle / RATIO_STEPS, selection.multiple)
        if _gmacs(network, channel_groups, removed) > most:
            low = middle + 1
        else:
            high = middle
    return _at_ratio(orders, high / RATIO_STEPS, selection.multiple)


def removed_count(channels: int, ratio: float) -> int:
    """How many of a group's channels to remove; at least one stays."""
    return min(ceil(round(ratio * channels, 9)), channels - 1)


def _removal_orders(network: Network, channel_groups: ChannelGroups, selection: Selection) -> list[list[int]]:
    """The channels of each group, the first to go first."""
    means = _channel_means(network, channel_groups)
    generator = torch.Generator().manual_seed(selection.seed)
    orders = []
    for group in channel_groups.groups:
        if group.is_tied and selection.tied_by == "random":
            order = torch.randperm(len(group.channels), generator=generator)
        else:
            order = means[list(group.channels)].argsort(stable=True)
        orders.append([group.channels[index] for index in order.tolist()])
    return orders


def _channel_means(network: Network, channel_groups: ChannelGroups) -> Tensor:
    """Mean |W| of the filters that write each channel, summed over the layers; float64."""
    means = torch.zeros(1 + max(int(written.max()) for written in channel_groups.outputs.values()), dtype=torch.float64)
    for layer, written in channel_groups.outputs.items():
        weight = convolution_of(network, layer).weight.detach().double().cpu()
        means.index_add_(0, written, weight.abs().mean(dim=(1, 2, 3)))
    return means


def _at_ratio(orders: list[list[int]], ratio: float, multiple: int) -> frozenset[int]:
    return _first(orders, [len(order) - removed_count(len(order), ratio) for order in orders], multiple)


def _first(orders: list[list[int]], left: list[int], multiple: int) -> frozenset[int]:
    return frozenset(
        channel
        for order, wanted in zip(orders, left, strict=True)
        for channel in order[: max(0, len(order) - ceil(wanted / multiple) * multiple)]
    )


def _gmacs(network: Network, channel_groups: ChannelGroups, removed: frozenset[int]) -> float:
    narrow = remove_channels(network, channel_groups, removed)
    per_lr_px = count_macs(narrow, (48, 48), bias=False) / 48**2
    return per_lr_px * HR_720P_PX / network.config.scale**2 / 1e9
