"""Which channels each method keeps, and how well."""

import copy
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from sr_infer.errors import RunError
from training.compress.drc.baselines import LayerSamples, lasso, thinet
from training.compress.drc.pruning import ChannelPruning, Pruning
from training.compress.inner_layers import find_inner_layers
from training.losses import ReconstructionLoss
from training.networks import DRNConfig, build_network

CONFIG = DRNConfig(scale=4, blocks=1, features=8)
METHODS = ["gradient", "thinet", "lasso", "l1"]


@pytest.fixture
def network() -> nn.Module:
    torch.manual_seed(0)
    return build_network("drn", CONFIG)


@pytest.fixture
def batches(photographs: list) -> list[list[Tensor]]:
    """Two batches of real pixels at 1x, 2x and 4x."""
    made = []
    for photograph in photographs[:2]:
        hr = torch.from_numpy(photograph[100:164, 100:164].copy()).permute(2, 0, 1).float()
        hr = hr.unfold(1, 32, 32).unfold(2, 32, 32).flatten(1, 2).movedim(1, 0).contiguous()
        made.append([nn.functional.avg_pool2d(hr, 4), nn.functional.avg_pool2d(hr, 2), hr])
    return made


def pruning_of(
    network: nn.Module, batches: list[list[Tensor]], checkpoint: Path, widths: tuple[int, ...], **settings: object
) -> ChannelPruning:
    torch.manual_seed(1)
    chosen = Pruning(channels_per_step=4, batches=2, batch=4, lr_patch_px=8, precision="float32", **settings)
    return ChannelPruning(
        network,
        copy.deepcopy(network),
        find_inner_layers(network),
        widths,
        settings=chosen,
        loss=ReconstructionLoss(CONFIG, dual=True),
        batches=batches,
        checkpoint=checkpoint,
    )


@pytest.mark.parametrize("method", METHODS)
def test_channels_that_carry_nothing_go_first(
    method: str, network: nn.Module, batches: list[list[Tensor]], tmp_path: Path
) -> None:
    """Also behind a PixelShuffle, where a channel is four filters."""
    inner = find_inner_layers(network)
    live = [sorted(torch.randperm(layer.width)[: layer.width // 2].tolist()) for layer in inner.layers]
    with torch.no_grad():
        for layer, kept in zip(inner.layers, live, strict=True):
            dead = set(layer.channels) - {layer.channels[index] for index in kept}
            for writer, filters in inner.channel_groups.filters(dead).items():
                for parameter in network.get_submodule(writer).parameters():
                    parameter[filters] = 0
    widths = tuple(layer.width // 2 for layer in inner.layers)
    pruning = pruning_of(network, batches, tmp_path / "state.safetensors", widths, method=method, learning_rate=0.0)
    narrow = pruning.run()
    assert pruning.kept == live
    lr = batches[0][0]
    with torch.no_grad():
        torch.testing.assert_close(narrow(lr), network(lr), atol=0.05, rtol=0)


def test_bringing_channels_back_lowers_the_loss_and_learning_lowers_it_further(
    network: nn.Module, batches: list[list[Tensor]], tmp_path: Path
) -> None:
    widths = tuple(layer.width // 2 for layer in find_inner_layers(network).layers)
    losses = {}
    for name, settings in {"l1": {"method": "l1"}, "still": {"learning_rate": 0.0}, "learnt": {}}.items():
        pruning = pruning_of(network, batches, tmp_path / f"{name}.safetensors", widths, **settings)
        narrow = pruning.run()
        with torch.no_grad():
            losses[name] = sum(pruning.loss(narrow, pyramid).item() for pyramid in batches)
    assert losses["learnt"] < losses["still"]
    assert losses["learnt"] < losses["l1"]


def test_gamma_changes_what_is_kept(network: nn.Module, batches: list[list[Tensor]], tmp_path: Path) -> None:
    widths = tuple(layer.width // 4 for layer in find_inner_layers(network).layers)
    kept = []
    for gamma in (0.0, 100.0):
        pruning = pruning_of(network, batches, tmp_path / f"{gamma}.safetensors", widths, gamma=gamma)
        pruning.run()
        kept.append(pruning.kept)
    assert kept[0] != kept[1]


def test_a_state_of_another_run_is_refused(network: nn.Module, batches: list[list[Tensor]], tmp_path: Path) -> None:
    widths = tuple(layer.width // 2 for layer in find_inner_layers(network).layers)
    pruning_of(network, batches, tmp_path / "state.safetensors", widths, method="l1").run()
    with pytest.raises(RunError, match="began with another"):
        pruning_of(network, batches, tmp_path / "state.safetensors", widths, method="thinet").run()


def test_the_number_of_steps_and_the_time_are_said_before(
    network: nn.Module, batches: list[list[Tensor]], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    widths = tuple(layer.width // 2 for layer in find_inner_layers(network).layers)
    pruning_of(network, batches, tmp_path / "state.safetensors", widths).run()
    assert "pruning 6 layers in 19 steps, at most about" in caplog.text


@pytest.fixture
def samples() -> LayerSamples:
    """24 channels, of which every second repeats its neighbour at half the strength."""
    generator = torch.Generator().manual_seed(0)
    read = torch.randn(600, 24, 9, generator=generator, dtype=torch.float64)
    read[:, 1::2] = 0.5 * read[:, ::2]
    weight = torch.randn(6, 24, 9, generator=generator, dtype=torch.float64)
    return LayerSamples(read, torch.einsum("pck,fck->pf", read, weight), weight)


def error(samples: LayerSamples, weight: Tensor) -> float:
    given = torch.einsum("pck,fck->pf", samples.read, weight)
    return ((given - samples.wanted).square().sum() / samples.wanted.square().sum()).item()


def test_cp_finds_that_half_of_the_channels_say_it_all(samples: LayerSamples) -> None:
    kept, weight = lasso(samples, 12)
    assert len({index // 2 for index in kept}) == 12
    assert error(samples, weight) < 1e-6
    assert (weight[:, [index for index in range(24) if index not in kept]] == 0).all()


def test_thinet_is_better_than_the_smallest_norm(samples: LayerSamples) -> None:
    kept, weight = thinet(samples, 12)
    largest = samples.weight.abs().sum(dim=(0, 2)).topk(12).indices
    by_norm = torch.zeros_like(samples.weight)
    by_norm[:, largest] = samples.weight[:, largest]
    assert len(kept) == 12
    assert error(samples, weight) < 0.6 * error(samples, by_norm)
