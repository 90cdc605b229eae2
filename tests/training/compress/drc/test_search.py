"""The one-pass form of the channel number search, and what it learns."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from training.compress.cost import CountedCost
from training.compress.drc.search import AlphaOptions, ChannelSearch
from training.compress.drc.widths import WidthsOptions
from training.compress.inner_layers import find_inner_layers
from training.data.folder import scan_folder
from training.loop.trainer import Limits, Trainer
from training.networks import DRNConfig
from training.recipe import Recipe, TrainingOptions

CONFIG = DRNConfig(scale=4, blocks=1, features=8)


def search_of(pictures: Path, out: Path, alpha: AlphaOptions, *, rate: float = 1e-4, steps: int = 6) -> ChannelSearch:
    settings = TrainingOptions(
        steps=steps, batch=2, lr_patch_px=8, learning_rate=rate, final_learning_rate=rate, dual=True
    )
    recipe = Recipe("tiny", "drn", CONFIG, settings, {"network": {"architecture": "drn", "scale": 4}})
    folder = scan_folder(pictures)
    trainer = Trainer(recipe, folder, out, device=torch.device("cpu"), limits=Limits())
    inner = find_inner_layers(trainer.network)
    widths, cost = WidthsOptions(ratio=0.5, multiple=4), CountedCost(trainer.network, inner, "macs")
    bank = trainer.read_bank(folder.root, folder.train)
    search = ChannelSearch(trainer, inner, bank, widths=widths, alpha=alpha, cost=cost, record_every=1)
    trainer.hooks["penalty"] = search
    return search


def seen_and_given(network: nn.Module, layer: str, lr: Tensor) -> tuple[Tensor, Tensor]:
    """What a convolution reads behind the scaling, and what it gives."""
    seen: list[Tensor] = []
    hook = network.get_submodule(layer).register_forward_hook(lambda _, inputs, given: seen.extend((inputs[0], given)))
    network(lr)
    hook.remove()
    return seen[0], seen[1]


@pytest.mark.parametrize("order", ["first", "l1"])
@torch.no_grad()
def test_one_convolution_gives_the_weighted_sum_of_all_candidates(order: str, pictures: Path, tmp_path: Path) -> None:
    """Equation 3, written out."""
    search = search_of(pictures, tmp_path, AlphaOptions(order=order, start_spread=1.0))
    network = search.trainer.network
    layer = network.up[0].squeeze
    index = [layer.reader for layer in find_inner_layers(network).layers].index("up.0.squeeze")
    lr = torch.rand(1, 3, 9, 7) * 255
    _, relaxed = seen_and_given(network, "up.0.squeeze", lr)
    given = torch.nn.functional.pixel_shuffle(seen_and_given(network, "up.0.upsampler", lr)[1], 2)
    ranks = torch.arange(32)
    if order == "l1":
        ranks = layer.weight.abs().sum(dim=(0, 2, 3)).argsort(descending=True)
    expected = 0
    for width, probability in zip(search.candidates[index], search.probabilities()[index], strict=True):
        first = torch.zeros(32)
        first[ranks[:width]] = 1
        expected = expected + probability * layer(given * first[:, None, None] / scaling(search, index, ranks))
    torch.testing.assert_close(relaxed, expected, atol=1e-3, rtol=1e-4)


def scaling(search: ChannelSearch, index: int, ranks: Tensor) -> Tensor:
    """What the search itself would scale by once more when the layer is called."""
    mass = torch.zeros(32)
    for width, probability in zip(search.candidates[index], search.probabilities()[index], strict=True):
        mass[ranks[:width]] += probability
    return mass.clamp(min=1e-30)[:, None, None]


def test_channels_that_do_nothing_are_not_missed(pictures: Path, tmp_path: Path) -> None:
    """If nothing reads the later channels of a layer, its alpha has no reason to move. The weights stay as they are."""
    search = search_of(pictures, tmp_path, AlphaOptions(learning_rate=1e-2, weight_decay=0.0), rate=0.0)
    layer = search.trainer.network.up[1].blocks[0].conv2
    with torch.no_grad():
        layer.weight[:, min(search.candidates[4]) :] = 0
    search.trainer.run()
    moved = [alpha.abs().max().item() for alpha in search.alphas]
    assert moved[4] < 1e-6
    assert min(moved[1:4] + moved[5:]) > 1e-3


def test_alpha_learns_from_other_pictures_than_the_weights_and_leaves_them_alone(
    pictures: Path, tmp_path: Path
) -> None:
    search = search_of(pictures, tmp_path, AlphaOptions(learning_rate=1e-2))
    weights = {name: weight.clone() for name, weight in search.trainer.network.state_dict().items()}
    before = [alpha.detach().clone() for alpha in search.alphas]
    search.after_update(0, 1e-4)
    assert all(torch.equal(weights[name], weight) for name, weight in search.trainer.network.state_dict().items())
    assert all(not torch.equal(one, other) for one, other in zip(before[1:], search.alphas[1:], strict=True))


def test_the_unrolled_step_is_another_gradient(pictures: Path, tmp_path: Path) -> None:
    moved = []
    for unrolled in (False, True):
        search = search_of(pictures, tmp_path / str(unrolled), AlphaOptions(unrolled=unrolled, weight_decay=0.0))
        search.after_update(0, 1e-3)
        moved.append(torch.cat([alpha.grad for alpha in search.alphas if alpha.grad is not None]))
    assert torch.isfinite(moved[1]).all()
    assert not torch.allclose(*moved, rtol=1e-2)


def test_a_search_stopped_in_its_first_step_goes_on(pictures: Path, tmp_path: Path) -> None:
    stopped, resumed = (search_of(pictures, tmp_path, AlphaOptions(start_spread=spread)) for spread in (1e-3, 0.0))
    stopped.trainer.save()
    resumed.trainer.resume()
    assert all(torch.equal(one, other) for one, other in zip(stopped.alphas, resumed.alphas, strict=True))
    resumed.trainer.run()
    assert len(resumed.record) == 6


def test_a_cost_term_makes_the_widths_narrower(pictures: Path, tmp_path: Path) -> None:
    shares = []
    for weight in (0.0, 1e5):
        alpha = AlphaOptions(cost_weight=weight, learning_rate=5e-2)
        search = search_of(pictures, tmp_path / str(weight), alpha, rate=1e-12)
        search.trainer.run()
        shares.append(search.record[-1][2])
    assert shares[1] < shares[0] - 0.005
