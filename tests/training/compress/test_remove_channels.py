"""Removal is exact on every network, and gives the papers' sizes."""

from pathlib import Path

import pytest
import torch

from training.compress.channel_groups import trace_channel_groups
from training.compress.remove_channels import remove_channels
from training.compress.srp.pipeline import read_srp_recipe
from training.compress.srp.selection import Selection, select_channels
from training.networks import (
    DRN,
    DRNConfig,
    EDSRConfig,
    NetworkConfig,
    PlainConfig,
    RIRConfig,
    SRResNetConfig,
    build_network,
)
from training.networks.cost import count_parameters
from training.recipe import read_recipe

PAPER = Path(__file__).parents[3] / "training" / "recipes" / "paper"


@pytest.mark.parametrize("upsamplers", [False, True])
@pytest.mark.parametrize(
    ("architecture", "config"),
    [
        ("drn", DRNConfig(scale=4, blocks=2, features=8, value_range=1.0)),
        ("drn", DRNConfig(scale=8, blocks=1, features=4, value_range=1.0)),
        ("edsr", EDSRConfig(scale=4, blocks=2, width=12, inner_widths=(9, 7), residual_scale=0.5, value_range=1.0)),
        ("edsr", EDSRConfig(scale=3, blocks=2, width=12, tail="shuffle", value_range=1.0)),
        ("rir", RIRConfig(scale=4, groups=2, blocks=2, width=10, value_range=1.0)),
        ("srresnet", SRResNetConfig(scale=4, blocks=2, width=10)),
        ("plain", PlainConfig(scale=2, widths=(8, 9, 10, 11), activation="second", value_range=1.0)),
    ],
    ids=["drn-x4", "drn-x8", "edsr", "srpn-lite", "rir", "srresnet", "plain"],
)
@torch.no_grad()
def test_the_narrow_network_computes_what_the_zeroed_one_does(
    architecture: str, config: NetworkConfig, upsamplers: bool
) -> None:
    torch.manual_seed(0)
    network = build_network(architecture, config)
    run = network.pyramid if isinstance(network, DRN) else lambda lr: [network(lr)]
    channel_groups = trace_channel_groups(network, upsamplers=upsamplers)
    removed = select_channels(network, channel_groups, Selection(ratio=0.4))
    lr = torch.rand(1, 3, 9, 7)
    before = run(lr)
    narrow = remove_channels(network, channel_groups, removed)
    for layer, filters in channel_groups.filters(removed).items():
        for parameter in network.get_submodule(layer).parameters():
            parameter[filters] = 0
    assert count_parameters(narrow, mean_shift=True) < 0.75 * count_parameters(network, mean_shift=True)
    for zeroed, narrowed in zip(run(lr), narrow.pyramid(lr) if isinstance(narrow, DRN) else [narrow(lr)], strict=True):
        torch.testing.assert_close(narrowed, zeroed, atol=1e-5, rtol=0)
    assert (before[-1] - run(lr)[-1]).abs().max() > 1e-3, "zeroing must have changed the network"


@pytest.mark.parametrize(
    ("ratio", "parameters"), [(0.1, 1_101_769), (0.3, 681_063), (0.5, 381_819), (0.7, 154_163), (0.9, 26_893)]
)
def test_edsr_baselines_have_the_sizes_of_table_1(ratio: float, parameters: int) -> None:
    network = build_network("edsr", EDSRConfig(scale=2))
    channel_groups = trace_channel_groups(network)
    narrow = remove_channels(network, channel_groups, select_channels(network, channel_groups, Selection(ratio=ratio)))
    assert count_parameters(narrow, mean_shift=True) == parameters


@pytest.mark.parametrize(
    ("dense", "dense_millions", "pruning", "pruned"),
    [
        ("srpn-lite-dense-x2", 19.507, "srpn-lite", 609_042),
        ("srpn-lite-dense-x3", 19.542, "srpn-lite", 615_132),
        ("srpn-lite-dense-x4", 19.590, "srpn-lite", 623_658),
        ("srpn-dense-x2", 34.47, "srpn", 15_328_643),
    ],
)
def test_the_papers_recipes_go_from_its_dense_to_its_pruned_sizes(
    dense: str, dense_millions: float, pruning: str, pruned: int
) -> None:
    recipe = read_recipe(PAPER / f"{dense}.toml")
    selection = read_srp_recipe(PAPER / "srp" / f"{pruning}.toml").selection
    network = build_network(recipe.architecture, recipe.network)
    channel_groups = trace_channel_groups(network, upsamplers=selection.upsamplers)
    narrow = remove_channels(network, channel_groups, select_channels(network, channel_groups, selection))
    assert count_parameters(network, mean_shift=False) / 1e6 == pytest.approx(dense_millions, abs=0.005)
    assert count_parameters(narrow, mean_shift=False) == pruned
