"""The converted teacher computes what the teacher does, on the border too."""

from pathlib import Path

import pytest
import torch
from skimage import data
from torch import Tensor, nn

from sr_infer.errors import ModelError
from training.checkpoint import load_network
from training.compress.memsr.conversion import (
    assemble,
    carrying_constant,
    check_teacher,
    clipped_share,
    rectified_channels,
    teacher_features,
    teacher_layers,
)
from training.networks import EDSR, EDSRConfig, Plain, SRResNet, SRResNetConfig

WEIGHTS = Path(__file__).parents[4] / "weights" / "srpn-lite-x4.safetensors"


def photograph(height: int, width: int) -> Tensor:
    """(1, 3, height, width) in 0..255."""
    return torch.from_numpy(data.chelsea()[::4, ::4][:height, :width].copy()).permute(2, 0, 1)[None].float()


def random_teacher(*, scale: int, inner_widths: tuple[int, ...] = (5, 7), residual_scale: float = 0.5) -> EDSR:
    torch.manual_seed(scale)
    config = EDSRConfig(
        scale=scale,
        blocks=len(inner_widths),
        width=6,
        inner_widths=inner_widths,
        residual_scale=residual_scale,
        tail="shuffle",
    )
    return EDSR(config).double().eval()


def convert(teacher: EDSR, constant: float) -> Plain:
    """The plain network of convolution, bias and ReLU that computes what the teacher does, borders included.

    Its layers are one channel wider than the teacher's features, for the ones. It has the teacher's dtype.
    """
    layers = teacher_layers(teacher)
    floors = [
        nn.functional.pad(layer.weight.new_full((layer.outputs - rectified,), constant), (rectified, 0))
        for rectified, layer in zip(rectified_channels(teacher), layers, strict=False)
    ]
    return assemble(teacher, layers, floors).plain()


@pytest.mark.parametrize(
    ("blocks", "width", "widths"),
    [
        (16, 64, [64, *[192, 128] * 16, 64]),
        (8, 64, [64, *[192, 128] * 8, 64]),
        (16, 100, [100, *[300, 200] * 16, 100]),
    ],
    ids=["M", "S", "L"],
)
def test_the_papers_teachers_have_its_widths(blocks: int, width: int, widths: list[int]) -> None:
    teacher = EDSR(EDSRConfig(scale=4, blocks=blocks, width=width, tail="shuffle"))
    layers = teacher_layers(teacher)
    assert [layer.outputs for layer in layers] == [*widths, 48]
    assert [layer.inputs for layer in layers] == [1 + 3, *(1 + before for before in widths)]


@pytest.mark.parametrize("size_hw", [(1, 1), (1, 5), (9, 7)])
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_conversion_is_exact_on_every_border(scale: int, size_hw: tuple[int, int]) -> None:
    teacher, lr = random_teacher(scale=scale), photograph(*size_hw).double()
    plain = convert(teacher, carrying_constant(teacher, [lr]))
    assert isinstance(plain, Plain)
    assert [type(module) for module in plain.body] == [nn.Conv2d, nn.ReLU] * 6
    with torch.no_grad():
        torch.testing.assert_close(plain(lr), teacher(lr), rtol=0, atol=1e-9)


def test_a_trained_network_converts(subtests: pytest.Subtests) -> None:
    _, _, teacher, _ = load_network(WEIGHTS)
    lr = photograph(14, 16)
    constant = carrying_constant(teacher, [lr])
    for dtype, tolerance in ((torch.float32, 1e-3), (torch.float64, 1e-9)):
        with subtests.test(str(dtype)), torch.no_grad():
            network = teacher.to(dtype)
            plain = convert(network, constant)
            torch.testing.assert_close(plain(lr.to(dtype)), network(lr.to(dtype)), rtol=0, atol=tolerance)


def test_features_are_those_of_the_converted_network_without_the_constant() -> None:
    teacher, lr = random_teacher(scale=2), photograph(8, 9).double()
    constant = carrying_constant(teacher, [lr])
    with torch.no_grad():
        of_plain = convert(teacher, constant).features(lr)
        for shifted, features in zip(of_plain, teacher_features(teacher, lr), strict=True):
            assert shifted[:, 0].unique().tolist() == [1.0]
            carried = shifted[:, 1:] - features
            torch.testing.assert_close(carried[:, -6:], torch.full_like(carried[:, -6:], constant), rtol=0, atol=1e-9)


def test_what_a_small_constant_cuts_off_is_counted() -> None:
    teacher, lr = random_teacher(scale=2), photograph(16, 16).double()
    constant = carrying_constant(teacher, [lr])
    assert clipped_share(teacher, constant, [lr]) == 0
    assert 0 < clipped_share(teacher, constant / 10, [lr]) < 0.5
    with torch.no_grad():
        assert (convert(teacher, constant / 10)(lr) - teacher(lr)).abs().max() > 1


@pytest.mark.parametrize(
    "network", [EDSR(EDSRConfig(scale=2, blocks=1, width=4)), SRResNet(SRResNetConfig(scale=2, blocks=1))]
)
def test_other_networks_are_refused(network: nn.Module) -> None:
    with pytest.raises(ModelError, match="architecture edsr with the tail shuffle"):
        check_teacher(network)
