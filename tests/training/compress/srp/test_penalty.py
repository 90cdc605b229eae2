"""The penalty grows as eq. 5 says and reaches the chosen filters alone."""

import pytest
import torch
from torch import nn

from sr_infer.errors import OptionError, RunError
from training.compress.srp.penalty import GrowingPenalty, GrowthOptions


@pytest.fixture
def network() -> nn.Module:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 6, 3), nn.Conv2d(6, 4, 3, bias=False))
    for parameter in network.parameters():
        parameter.grad = torch.ones_like(parameter)
    return network


def penalty_on(network: nn.Module, **growth: object) -> GrowingPenalty:
    chosen = {"0": torch.tensor([1, 4]), "1": torch.tensor([3])}
    return GrowingPenalty(network, chosen, GrowthOptions(**growth), watched=["0"], record_every=2)


def test_alpha_grows_by_delta_every_t_steps_up_to_tau() -> None:
    paper = GrowthOptions()
    assert paper.steps == 100_000
    assert [paper.alpha(step) for step in (0, 19, 20, 39, 40)] == [0, 0, 1e-4, 1e-4, 2e-4]
    assert paper.alpha(paper.steps - 1) < paper.alpha(paper.steps) == paper.alpha(143_149) == 0.5


def test_gradients_of_chosen_filters_and_biases_gain_alpha_w(network: nn.Module) -> None:
    before = {name: p.detach().clone() for name, p in network.named_parameters()}
    penalty_on(network, increment=0.1, every=1, ceiling=0.3).before_update(2)
    for name, chosen in (("0.weight", [1, 4]), ("0.bias", [1, 4]), ("1.weight", [3])):
        parameter = network.get_parameter(name)
        expected = torch.ones_like(parameter)
        expected[chosen] += 0.2 * before[name][chosen]
        torch.testing.assert_close(parameter.grad, expected)
        assert torch.equal(parameter, before[name])


def test_decoupled_leaves_gradients_and_shrinks_weights(network: nn.Module) -> None:
    before = {name: p.detach().clone() for name, p in network.named_parameters()}
    penalty = penalty_on(network, increment=0.1, every=1, ceiling=0.3, through="decoupled")
    penalty.before_update(9)
    penalty.after_update(9, learning_rate=0.5)
    for name, chosen in (("0.weight", [1, 4]), ("0.bias", [1, 4]), ("1.weight", [3])):
        expected = before[name].clone()
        expected[chosen] *= 1 - 0.5 * 0.3
        torch.testing.assert_close(network.get_parameter(name).detach(), expected)
        assert torch.equal(network.get_parameter(name).grad, torch.ones_like(before[name]))


def test_decoupled_never_goes_past_zero(network: nn.Module) -> None:
    penalty_on(network, increment=10.0, every=1, ceiling=100.0, through="decoupled").after_update(9, learning_rate=0.5)
    assert not network[0].weight[[1, 4]].any()
    assert network[0].weight[[0, 2, 3, 5]].all()


def test_the_record_follows_chosen_and_other_filters(network: nn.Module) -> None:
    with torch.no_grad():
        network[0].weight.fill_(0.5)
        network[0].weight[[1, 4]] = -0.25
    penalty = penalty_on(network)
    for step in range(4):
        penalty.before_update(step)
    assert penalty.record == [(0, 0.25, 0.5), (2, 0.25, 0.5)]
    other = penalty_on(network)
    other.load_state(penalty.state())
    assert other.record == penalty.record


def test_a_state_of_other_filters_is_refused(network: nn.Module) -> None:
    other = GrowingPenalty(network, {"0": torch.tensor([2, 4])}, GrowthOptions(), watched=["0"], record_every=1)
    with pytest.raises(RunError, match="drives other filters"):
        penalty_on(network).load_state(other.state())


@pytest.mark.parametrize("settings", [{"increment": 0.0}, {"every": 0}, {"ceiling": -1.0}, {"through": "sgd"}])
def test_wrong_growth_is_refused(settings: dict[str, object]) -> None:
    with pytest.raises(OptionError):
        GrowthOptions(**settings)
