"""Dual regression, on DRN and on networks with one image."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import l1_loss, mse_loss

from sr_infer.errors import OptionError
from sr_infer.resize import imresize
from training.checkpoint import load_matching, load_network, load_tensors
from training.losses import Bicubic, Dual, ReconstructionLoss
from training.networks import DRNConfig, EDSRConfig, NetworkConfig, SRResNetConfig, build_network
from training.networks.blocks import DIV2K_MEAN
from training.recipe import read_recipe
from training.train import main

DRN_X4 = DRNConfig(scale=4, blocks=1, features=4)


def pyramid(config: NetworkConfig, divisors: tuple[int, ...]) -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    sides = [8 * divisors[0] // divisor for divisor in divisors]
    return [config.value_range * torch.rand(2, 3, side, side, generator=generator) for side in sides]


def test_the_loss_is_equation_1_at_every_step() -> None:
    torch.manual_seed(0)
    network, loss = build_network("drn", DRN_X4), ReconstructionLoss(DRN_X4, dual=True, dual_weight=0.1)
    x, middle, y = pictures = pyramid(DRN_X4, loss.downscale_factors)
    p0, p1, p2 = network.pyramid(x)
    primal = l1_loss(p0, x) + l1_loss(p1, middle) + l1_loss(p2, y)
    dual = l1_loss(loss.duals[0](p1), x) + l1_loss(loss.duals[1](p2), middle)
    torch.testing.assert_close(loss(network, pictures), primal + 0.1 * dual)
    on_hr = ReconstructionLoss(DRN_X4, dual=True, dual_on_hr=True)
    on_hr.load_state_dict(loss.state_dict())
    cycle = l1_loss(network(loss.duals[0](loss.duals[1](y))), y)
    torch.testing.assert_close(on_hr(network, pictures), primal + 0.1 * dual + 0.1 * cycle)
    squared = ReconstructionLoss(DRN_X4, distance="l2")
    torch.testing.assert_close(squared(network, pictures), mse_loss(p0, x) + mse_loss(p1, middle) + mse_loss(p2, y))


@pytest.mark.parametrize(
    ("architecture", "config"),
    [
        ("drn", DRNConfig(scale=8, blocks=1, features=4)),
        ("edsr", EDSRConfig(scale=2, blocks=1, width=8)),
        ("edsr", EDSRConfig(scale=3, blocks=1, width=8)),
        ("srresnet", SRResNetConfig(scale=4, blocks=1, width=8)),
    ],
    ids=["drn-x8", "edsr-x2", "edsr-x3", "srresnet-x4"],
)
@pytest.mark.parametrize("dual", [True, "bicubic"])
def test_the_dual_term_reaches_any_network(architecture: str, config: NetworkConfig, dual: Dual) -> None:
    torch.manual_seed(0)
    network = build_network(architecture, config)
    gradients = []
    for loss in (ReconstructionLoss(config, dual=dual), ReconstructionLoss(config)):
        network.zero_grad()
        loss(network, pyramid(config, loss.downscale_factors)).backward()
        gradients.append(network.head.weight.grad.clone())
    assert not torch.allclose(*gradients)
    learnt = list(ReconstructionLoss(config, dual=dual).parameters())
    assert bool(learnt) == (dual is True)


def test_the_fixed_dual_network_is_the_bicubic_of_the_data(photographs: list[np.ndarray]) -> None:
    hr = photographs[1][:96, :120].astype(np.float64)
    shrunk = Bicubic(2)(torch.from_numpy(hr.transpose(2, 0, 1))[None])[0].permute(1, 2, 0).numpy()
    assert np.abs(shrunk - imresize(hr, (48, 60)))[2:-2, 2:-2].max() < 1e-3


def test_dual_networks_are_learnt_kept_and_taken_over_and_mean_shifts_are_not(pictures: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "dual.toml"
    recipe.write_text(
        'name = "dual"\n[network]\narchitecture = "edsr"\nscale = 2\nblocks = 1\nwidth = 8\n'
        "[training]\nsteps = 30\nbatch = 4\nlr_patch_px = 12\nlearning_rate = 5e-3\ndual = true\n"
    )
    arguments = ["--data", str(pictures), "--out"]
    assert main([str(recipe), *arguments, str(tmp_path / "run")]) == 0
    trained = load_tensors(tmp_path / "run" / "dual-dual.safetensors")[0]
    torch.manual_seed(1)
    config = read_recipe(recipe).network
    build_network("edsr", config)
    fresh = ReconstructionLoss(config, dual=True).duals.state_dict()
    assert all((trained[name] - fresh[name]).abs().max() > 1e-3 for name in fresh)
    _, _, network, _ = load_network(tmp_path / "run" / "dual.safetensors")
    assert network.sub_mean.bias.tolist() == pytest.approx([-255 * mean for mean in DIV2K_MEAN], abs=0.05)
    weights = str(tmp_path / "run" / "dual.safetensors")
    assert main([str(recipe), *arguments, str(tmp_path / "next"), "--from", weights, "--max-steps", "1"]) == 0
    next_duals = load_tensors(tmp_path / "next" / "dual-dual.safetensors")[0]
    assert all((next_duals[name] - trained[name]).abs().max() < 0.02 for name in trained)


def test_weights_without_dual_networks_get_some_before_the_first_step(
    pictures: Path, photographs: list[np.ndarray], tmp_path: Path
) -> None:
    recipe = tmp_path / "plain.toml"
    plain = (
        'name = "plain"\n[network]\narchitecture = "edsr"\nscale = 2\nblocks = 1\nwidth = 8\n'
        "[training]\nsteps = 30\nbatch = 4\nlr_patch_px = 12\nlearning_rate = 5e-3\n"
    )
    recipe.write_text(plain)
    arguments = ["--data", str(pictures), "--out"]
    assert main([str(recipe), *arguments, str(tmp_path / "run")]) == 0
    recipe.write_text(plain.replace("5e-3", "1e-6") + "dual = true\n")  # a step that changes nothing itself
    weights = tmp_path / "run" / "plain.safetensors"
    assert main([str(recipe), *arguments, str(tmp_path / "next"), "--from", str(weights), "--max-steps", "1"]) == 0
    _, config, network, _ = load_network(weights)
    planes = torch.from_numpy(photographs[1][:96, :120].astype(np.float32).transpose(2, 0, 1))[None]
    lr, hr = Bicubic(2)(planes), planes
    torch.manual_seed(1)
    loss = ReconstructionLoss(config, dual=True)
    fresh = loss.dual(network, [network(lr)], [lr, hr])
    load_matching(loss.duals, tmp_path / "next" / "plain-dual.safetensors")
    assert loss.dual(network, [network(lr)], [lr, hr]) < 0.7 * fresh


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ('distance = "cosine"', 'distance is "l1" or "l2"'),
        ('dual = "nearest"', 'dual is true, false or "bicubic"'),
        ("dual_on_hr = true", "dual_on_hr needs dual"),
        ("dual = 1", "expected dual to be bool or str, got 1"),
        ("clip_norm = -1.0", "clip_norm must not be negative"),
        ("betas = [0.9]", "expected betas to be"),
        ('seed = "one"', "expected seed to be int, got 'one'"),
        ("warmup_steps = 2.5", "expected warmup_steps to be int, got 2.5"),
        ("shrunk = [1.5]", "shrunk holds factors between 0 and 1"),
        ('degradation = "rain"', "degradation is one of bicubic, nearest, bd, jpeg"),
    ],
)
def test_wrong_settings_are_refused(lines: str, message: str, tiny_recipe: Path) -> None:
    tiny_recipe.write_text(tiny_recipe.read_text() + lines)
    with pytest.raises(OptionError, match=message):
        read_recipe(tiny_recipe)


def test_a_mean_shift_is_no_parameter_of_the_optimiser() -> None:
    network: nn.Module = build_network("drn", DRN_X4)
    trained = {name for name, parameter in network.named_parameters() if parameter.requires_grad}
    assert "head.weight" in trained
    assert not any("mean" in name for name in trained)
