"""Groups of every network, held against what its paper's figure shows."""

import pytest
import torch
from torch import Tensor, nn

from sr_infer.errors import OptionError
from training.compress.channel_groups import ChannelGroups, trace_channel_groups
from training.networks import DRNConfig, EDSRConfig, PlainConfig, RIRConfig, SRResNetConfig, build_network


def groups(channel_groups: ChannelGroups) -> dict[tuple[str, ...], int]:
    """Channels by layers."""
    return {group.layers: len(group.channels) for group in channel_groups.groups}


@pytest.mark.parametrize("tail", ["upsampler", "shuffle"])
def test_edsr_ties_everything_that_its_residual_stream_carries(tail: str) -> None:
    config = EDSRConfig(scale=4, blocks=2, width=8, inner_widths=(6, 7), tail=tail, residual_scale=0.1)
    assert groups(trace_channel_groups(build_network("edsr", config))) == {
        ("head", "body.0.conv2", "body.1.conv2", "body.2"): 8,
        ("body.0.conv1",): 6,
        ("body.1.conv1",): 7,
    }


def test_edsr_upsamplers_are_free_by_whole_shuffled_channels() -> None:
    network = build_network("edsr", EDSRConfig(scale=4, blocks=1, width=8, upsampler_widths=(6, 5)))
    channel_groups = trace_channel_groups(network, upsamplers=True)
    assert groups(channel_groups)[("tail.0.0",)] == 6
    assert groups(channel_groups)[("tail.0.2",)] == 5
    group = next(group for group in channel_groups.groups if group.layers == ("tail.0.2",))
    assert channel_groups.filters([group.channels[3]])["tail.0.2"].tolist() == [12, 13, 14, 15]


def test_nested_residuals_are_one_group() -> None:
    tied = ("head", "body.0.body.0.conv2", "body.0.body.1", "body.1.body.0.conv2", "body.1.body.1", "body.2")
    network = build_network("rir", RIRConfig(scale=3, groups=2, blocks=1, width=8))
    assert groups(trace_channel_groups(network)) == {
        tied: 8,
        ("body.0.body.0.conv1",): 8,
        ("body.1.body.0.conv1",): 8,
    }


def test_srresnet_without_a_long_skip() -> None:
    network = build_network("srresnet", SRResNetConfig(scale=2, blocks=2, width=8))
    assert groups(trace_channel_groups(network, upsamplers=True)) == {
        ("head", "body.0.conv2", "body.1.conv2"): 8,
        ("body.0.conv1",): 8,
        ("body.1.conv1",): 8,
        ("upsampler.0",): 8,
        ("last",): 8,
    }


@pytest.mark.parametrize("activation", ["every", "second"])
def test_every_layer_of_a_plain_network_is_free(activation: str) -> None:
    channel_groups = trace_channel_groups(
        build_network("plain", PlainConfig(scale=2, widths=(5, 6, 7), activation=activation))
    )
    assert sorted(groups(channel_groups).values()) == [5, 6, 7]
    assert not any(group.is_tied for group in channel_groups.groups)


def test_drn_ties_half_of_a_stage_to_each_concatenated_half() -> None:
    network = build_network("drn", DRNConfig(scale=4, blocks=1, features=4))
    coarse, fine = (f"up.{stage}.blocks.0" for stage in (0, 1))
    channel_groups = trace_channel_groups(network)
    assert groups(channel_groups) == {
        ("head",): 4,
        ("down.0.conv1",): 4,
        ("down.0.conv2", f"{fine}.conv2", f"{fine}.excite"): 8,
        ("down.1.conv1",): 8,
        ("down.1.conv2", f"{coarse}.conv2", f"{coarse}.excite"): 16,
        (f"{coarse}.conv1",): 16,
        (f"{coarse}.squeeze",): 1,
        ("up.0.squeeze", f"{fine}.conv2", f"{fine}.excite"): 8,
        (f"{fine}.conv1",): 16,
        (f"{fine}.squeeze",): 1,
        ("up.1.squeeze",): 4,
    }
    from_below = next(group for group in channel_groups.groups if group.layers[0] == "up.0.squeeze")
    copied = next(group for group in channel_groups.groups if group.layers[0] == "down.0.conv2")
    assert channel_groups.filters(from_below.channels)[f"{fine}.conv2"].tolist() == list(range(8))
    assert channel_groups.filters(copied.channels)[f"{fine}.conv2"].tolist() == list(range(8, 16))


class Foreign(nn.Module):
    """Names that say nothing."""

    def __init__(self, operation: nn.Module) -> None:
        super().__init__()
        self.p, self.q, self.r = nn.Conv2d(3, 8, 1), nn.Conv2d(8, 8, 1), nn.Conv2d(8, 3, 1)
        self.operation = operation

    def forward(self, x: Tensor) -> Tensor:
        x = self.p(x)
        return self.r(x + self.operation(self.q(x)))


def test_names_play_no_part() -> None:
    assert groups(trace_channel_groups(Foreign(nn.ReLU()))) == {("p", "q"): 8}


def test_an_unknown_operation_is_named() -> None:
    with pytest.raises(OptionError, match=r"add Softmax to training/compress/channel_groups\.py"):
        trace_channel_groups(Foreign(nn.Softmax(dim=1)))


def test_hand_written_ties_and_kept_layers_override_the_graph() -> None:
    network = build_network("plain", PlainConfig(scale=2, widths=(6, 6, 6, 6)))
    channel_groups = trace_channel_groups(network, tied=[("body.0", "body.4")], kept=["body.6"])
    assert groups(channel_groups) == {("body.0", "body.4"): 6, ("body.2",): 6}


@pytest.mark.parametrize(
    ("tied", "kept", "message"),
    [
        ([("body.0", "bodyy")], [], "no convolution is called bodyy; there are body.0, body.2, tail.0"),
        ([], ["nothing"], "no convolution is called nothing"),
        ([("body.0", "body.2")], [], "5 channels cannot be tied to 6"),
    ],
)
def test_wrong_overrides_are_refused(tied: list[tuple[str, str]], kept: list[str], message: str) -> None:
    network = build_network("plain", PlainConfig(scale=2, widths=(5, 6)))
    with pytest.raises(OptionError, match=message):
        trace_channel_groups(network, tied=tied, kept=kept)


def test_the_table_shows_kinds_and_what_is_left() -> None:
    channel_groups = trace_channel_groups(build_network("edsr", EDSRConfig(scale=2, blocks=1, width=8, tail="shuffle")))
    removed = channel_groups.groups[0].channels[:3]
    assert [line.split(maxsplit=3) for line in channel_groups.table(removed).splitlines()[1:]] == [
        ["tied", "8", "5", "head, body.0.conv2, body.1"],
        ["free", "8", "8", "body.0.conv1"],
        ["kept", "12", "12", "tail.0"],
    ]


def test_filters_of_channels_are_those_of_every_layer_of_the_group() -> None:
    channel_groups = trace_channel_groups(build_network("edsr", EDSRConfig(scale=2, blocks=1, width=8)))
    tied = channel_groups.groups[0]
    found = channel_groups.filters([tied.channels[5], tied.channels[2]])
    assert set(found) == set(tied.layers)
    assert all(torch.equal(filters, torch.tensor([2, 5])) for filters in found.values())
