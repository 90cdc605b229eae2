"""How many filters go, and that they are the right ones."""

import pytest
import torch
from torch import nn

from sr_infer.errors import OptionError
from training.compress.channel_groups import ChannelGroups, trace_channel_groups
from training.compress.remove_channels import remove_channels
from training.compress.srp.selection import Selection, removed_count, select_channels
from training.networks import EDSRConfig, build_network
from training.networks.cost import count_macs


@pytest.fixture
def network() -> nn.Module:
    torch.manual_seed(0)
    return build_network("edsr", EDSRConfig(scale=2, blocks=3, width=16))


@pytest.fixture
def channel_groups(network: nn.Module) -> ChannelGroups:
    return trace_channel_groups(network)


def removed_filters(network: nn.Module, channel_groups: ChannelGroups, selection: Selection) -> dict[str, list[int]]:
    filters = channel_groups.filters(select_channels(network, channel_groups, selection))
    return {layer: indices.tolist() for layer, indices in filters.items()}


@pytest.mark.parametrize(
    ("channels", "ratio", "removed"),
    [(256, 211 / 256, 211), (64, 0.1, 7), (64, 0.9, 58), (96, 0.34, 33), (8, 0.99, 7), (100, 0.55, 55), (8, 0.0, 0)],
)
def test_counts_follow_the_paper(channels: int, ratio: float, removed: int) -> None:
    assert removed_count(channels, ratio) == removed


def test_free_layers_lose_their_smallest_filters(network: nn.Module, channel_groups: ChannelGroups) -> None:
    weight = network.body[1].conv1.weight
    with torch.no_grad():
        weight[[3, 7, 11]] *= 0.01
        weight[7] *= -1
        network.body[1].conv1.bias[5] = 1e-9
    assert removed_filters(network, channel_groups, Selection(width=13))["body.1.conv1"] == [3, 7, 11]


def test_tied_layers_lose_one_random_set_that_the_seed_fixes(network: nn.Module, channel_groups: ChannelGroups) -> None:
    sets = {seed: removed_filters(network, channel_groups, Selection(ratio=0.5, seed=seed)) for seed in (1, 2)}
    again = removed_filters(network, channel_groups, Selection(ratio=0.5, seed=1))
    tied = ("head", "body.0.conv2", "body.1.conv2", "body.2.conv2", "body.3")
    assert again == sets[1]
    assert len({tuple(sets[1][layer]) for layer in tied}) == 1
    assert sets[1]["head"] != sets[2]["head"]
    assert sets[1]["body.0.conv1"] == sets[2]["body.0.conv1"]
    assert sets[1]["body.0.conv1"] != sets[1]["body.1.conv1"]


def test_tied_layers_can_lose_what_is_smallest_over_the_group(
    network: nn.Module, channel_groups: ChannelGroups
) -> None:
    with torch.no_grad():
        network.head.weight[2] = 0
        for layer in (network.head, network.body[0].conv2, network.body[1].conv2, network.body[2].conv2):
            layer.weight[[4, 9]] *= 0.1
    filters = removed_filters(network, channel_groups, Selection(width=14, tied_by="norm"))
    assert filters["head"] == filters["body.3"] == [4, 9]


def test_the_tail_keeps_its_filters_unless_asked(network: nn.Module, channel_groups: ChannelGroups) -> None:
    assert not any(layer.startswith("tail") for layer in removed_filters(network, channel_groups, Selection(ratio=0.5)))
    with_upsamplers = removed_filters(network, trace_channel_groups(network, upsamplers=True), Selection(ratio=0.5))
    assert len(with_upsamplers["tail.0.0"]) == 4 * 8
    assert "tail.1" not in with_upsamplers


@pytest.mark.parametrize(("selection", "left"), [({"width": 9}, 12), ({"ratio": 0.3}, 12), ({"ratio": 0.9}, 4)])
def test_widths_are_rounded_up_to_a_multiple(
    selection: dict[str, float], left: int, network: nn.Module, channel_groups: ChannelGroups
) -> None:
    removed = select_channels(network, channel_groups, Selection(**selection, multiple=4))
    config = remove_channels(network, channel_groups, removed).config
    assert {config.width, *config.inner_widths} == {left}


def test_a_target_in_macs_is_met_as_closely_as_widths_allow(network: nn.Module, channel_groups: ChannelGroups) -> None:
    def gmacs(removed: frozenset[int]) -> float:
        macs = count_macs(remove_channels(network, channel_groups, removed), (36, 64), bias=False)
        return macs * 100 / 1e9  # 640x360 LR, 1280x720 HR

    removed = select_channels(network, channel_groups, Selection(gmacs=3.0))
    left = 16 - len(channel_groups.filters(removed)["head"])
    assert gmacs(removed) <= 3.0
    assert gmacs(select_channels(network, channel_groups, Selection(width=left + 1))) > 3.0


def test_a_target_out_of_reach_is_refused(network: nn.Module, channel_groups: ChannelGroups) -> None:
    with pytest.raises(OptionError, match=r"down to 0\.01 GMACs"):
        select_channels(network, channel_groups, Selection(gmacs=0.01))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "give one of ratio, width and gmacs"),
        ({"ratio": 0.5, "width": 3}, "give one of ratio, width and gmacs"),
        ({"ratio": 1.0}, r"ratio must be in \[0, 1\), got 1.0"),
        ({"width": 0}, "width must be at least 1, got 0"),
        ({"width": 8, "multiple": 0}, "multiple must be at least 1, got 0"),
        ({"width": 8, "tied_by": "chance"}, '"random" or "norm"'),
    ],
)
def test_wrong_selections_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        Selection(**settings)
