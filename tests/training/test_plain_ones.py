"""The network with a channel of ones is what is deployed without one, on every border."""

import pytest
import torch
from torch import Tensor

from sr_infer.errors import ModelError
from training.networks import OnesPlain, OnesPlainConfig, Plain
from training.networks.plain_ones import Floor


def random_network(activation: str = "every", *, floor: float = 400.0) -> OnesPlain:
    """Three layers in float64 whose floors cut off a part of the features, and a kernel on the ones everywhere."""
    torch.manual_seed(5)
    network = OnesPlain(OnesPlainConfig(scale=2, widths=(5, 7, 6), activation=activation)).double().eval()
    for module in network.activations:
        if isinstance(module, Floor):
            module.floor.uniform_(0, floor)
    return network


def picture(height: int, width: int) -> Tensor:
    return 255 * torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.mark.parametrize("size_hw", [(1, 1), (1, 4), (9, 8)])
@pytest.mark.parametrize("activation", ["every", "second"])
@torch.no_grad()
def test_the_plain_network_is_the_same_function(activation: str, size_hw: tuple[int, int]) -> None:
    network, lr = random_network(activation), picture(*size_hw)
    plain = network.plain()
    assert isinstance(plain, Plain)
    assert plain.config.widths == (6, 8, 7)
    torch.testing.assert_close(plain(lr), network(lr), rtol=0, atol=1e-9)


@pytest.mark.parametrize("activation", ["every", "second"])
@torch.no_grad()
def test_what_was_made_plain_is_trained_on_as_the_same_function_around_its_means(activation: str) -> None:
    network, lr = random_network(activation), picture(9, 8)
    centred = OnesPlain.centred(network.plain(), lr)
    torch.testing.assert_close(centred(lr), network(lr), rtol=0, atol=1e-9)
    assert centred.config == network.config
    for features, module in zip(centred.features(lr), centred.activations, strict=True):
        assert not isinstance(module, Floor) or features.mean(dim=(0, 2, 3)).abs().max() < 1e-9


def test_a_plain_network_without_ones_is_not_trained_on() -> None:
    with pytest.raises(ModelError, match="layer 0 has no channel of ones"):
        OnesPlain.centred(random_network().collapsed(), picture(9, 8))


@torch.no_grad()
def test_biases_in_place_of_the_ones_are_wrong_on_the_border_alone() -> None:
    network, lr = random_network(), picture(16, 16)
    difference = (network.collapsed()(lr) - network(lr)).abs()
    assert difference[:, :, 8:-8, 8:-8].max() < 1e-9  # four convolutions at x2
    assert difference.max() > 1


@torch.no_grad()
def test_weights_for_half_precision_keep_large_constants() -> None:
    network, lr = random_network(floor=1300.0), picture(16, 16)
    network.activations[0].floor.zero_()
    lost, kept = ((network.plain(for_half=it).half().double()(lr) - network(lr)).abs() for it in (False, True))
    inside = (..., slice(8, -8), slice(8, -8))
    assert 2 * kept[inside].max() < lost[inside].max()
