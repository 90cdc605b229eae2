"""The winning initialisation: exact where it can be, close to the teacher elsewhere."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage import data
from torch import Tensor

from sr_infer.errors import OptionError
from sr_infer.metrics import psnr_y
from sr_infer.resize import downscale
from training.checkpoint import load_network
from training.compress.memsr.conversion import teacher_features
from training.compress.memsr.initialisation import Initialisation, winning_initialisation
from training.compress.memsr.widths import Student, smallest_rank
from training.networks import EDSR, EDSRConfig, Plain, PlainConfig

WEIGHTS = Path(__file__).parents[4] / "weights" / "srpn-lite-x4.safetensors"
PAPER = Initialisation(patches=16)
OURS = Initialisation(patches=16, directions="rectified", bridges="fitted", shift=12.0)


def patches_of(picture: np.ndarray, side_px: int, *, across: int = 4) -> Tensor:
    """(across^2, 3, side_px, side_px) in 0..255."""
    tiles = torch.from_numpy(picture[: across * side_px, : across * side_px].copy()).permute(2, 0, 1).float()
    return tiles.unfold(1, side_px, side_px).unfold(2, side_px, side_px).flatten(1, 2).transpose(0, 1)


@pytest.fixture(scope="module")
def teacher() -> EDSR:
    return load_network(WEIGHTS)[2]


@pytest.fixture(scope="module")
def patches() -> Tensor:
    return patches_of(downscale(data.astronaut(), 4), 16)


def linear_teacher(seed: int) -> EDSR:
    """One whose ReLUs never cut anything off."""
    torch.manual_seed(seed)
    teacher = EDSR(EDSRConfig(scale=2, blocks=2, width=4, inner_widths=(3, 2), tail="shuffle")).double().eval()
    for block in teacher.body[:2]:
        torch.nn.init.constant_(block.conv1.bias, 1e4)
    return teacher


def test_the_signs_of_directions_do_not_depend_on_the_eigenvectors(
    teacher: EDSR, patches: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An eigenvector and its negative are as good, and a linear algebra library may return either."""
    one = winning_initialisation(teacher, patches, Student(width=64), PAPER).network
    decompose = torch.linalg.eigh

    def decompose_with_other_signs(matrix: Tensor) -> tuple[Tensor, Tensor]:
        variances, columns = decompose(matrix)
        return variances, columns * torch.tensor([1.0, -1.0]).repeat(len(matrix))[: len(matrix)]

    monkeypatch.setattr(torch.linalg, "eigh", decompose_with_other_signs)
    other = winning_initialisation(teacher, patches, Student(width=64), PAPER).network
    for mine, its in zip(one.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(mine, its, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("activation", ["every", "second"])
@pytest.mark.parametrize("directions", ["principal", "rectified"])
def test_a_full_rank_student_of_a_linear_teacher_is_exact(directions: str, activation: str) -> None:
    teacher, patches = linear_teacher(3), patches_of(data.chelsea(), 12).double()
    student = Student(width=14, activation=activation)
    initial = winning_initialisation(teacher, patches, student, replace(PAPER, directions=directions, shift=1e3))
    with torch.no_grad():
        torch.testing.assert_close(initial.network(patches), teacher(patches), rtol=0, atol=1e-6)


def psnr_db(network: torch.nn.Module, scale: int) -> float:
    hr = data.chelsea()[100:220, 150:270]
    lr = torch.from_numpy(downscale(hr, scale).transpose(2, 0, 1).copy())[None].float()
    with torch.no_grad():
        return psnr_y(network(lr)[0].round().clamp(0, 255).byte().permute(1, 2, 0).numpy(), hr, border=scale)


@pytest.mark.parametrize("scale", [3, 4])
def test_the_student_begins_near_its_teacher_and_a_random_one_does_not(scale: int) -> None:
    astronaut, coffee = (downscale(picture, 4) for picture in (data.astronaut(), data.coffee()))
    patches = torch.cat((patches_of(astronaut, 16, across=8), patches_of(coffee, 16, across=6)))
    teacher = load_network(WEIGHTS.with_stem(f"srpn-lite-x{scale}"))[2]
    student = Student(width=64)
    paper, ours, without = (
        winning_initialisation(teacher, patches, student, settings)
        for settings in (PAPER, OURS, replace(OURS, ones=False))
    )
    collapsed_db = psnr_db(without.collapsed()[0], scale)
    paper_db, ours_db = psnr_db(paper.network, scale), psnr_db(ours.network, scale)
    random_db = psnr_db(Plain(PlainConfig(scale=scale)), scale)
    assert random_db < ours_db - 11
    assert random_db < paper_db - 7.5
    assert paper_db < ours_db - 1
    assert collapsed_db < ours_db - 0.5
    assert ours_db > psnr_db(teacher, scale) - 1


def test_bridges_lead_from_the_student_s_features_to_the_teacher_s(teacher: EDSR, patches: Tensor) -> None:
    initial = winning_initialisation(teacher, patches, Student(width=64), OURS)
    with torch.no_grad():
        held, wanted = initial.network.features(patches), list(teacher_features(teacher, patches))
        collapsed, bridges = initial.collapsed()
        held_collapsed = collapsed.features(patches)
    assert len(initial.bridges) == len(held) == len(wanted) == 34
    for bridge, h, f, error in zip(initial.bridges, held, wanted, initial.relative_errors, strict=True):
        assert h.shape[1] == 63
        centred = f - f.mean(dim=(0, 2, 3), keepdim=True)
        assert ((bridge(h) - f).norm() / centred.norm()).item() == pytest.approx(error, abs=1e-3)
    assert max(initial.relative_errors) < 0.4
    inside = (slice(None), slice(None), slice(1, -1), slice(1, -1))  # two layers are exact there
    torch.testing.assert_close(
        bridges[1](held_collapsed[1])[inside], initial.bridges[1](held[1])[inside], rtol=0, atol=0.01
    )


def test_channels_that_the_teacher_cannot_fill_are_alive_and_change_nothing(teacher: EDSR, patches: Tensor) -> None:
    network = winning_initialisation(teacher, patches, Student(width=64), PAPER).network
    last = network.features(patches)[-1]
    assert (last.flatten(2).std(dim=2).mean(dim=0) > 0).all()
    on_features = network.tail[0].weight[:, 1:]
    assert (on_features[:, 45:] == 0).all()
    assert (on_features[:, :45] != 0).any()


def test_the_rank_is_the_smallest_that_keeps_theta() -> None:
    features = torch.randn(9, 500, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    features *= torch.linspace(1, 3, 9).double()[:, None]
    centred = features - features.mean(dim=1, keepdim=True)
    u, s, v = torch.linalg.svd(centred, full_matrices=False)
    for theta in (0.05, 0.14, 0.5, 0.9):
        errors = [((u[:, :r] * s[:r] @ v[:r] - centred).norm() / centred.norm()).item() for r in range(1, 10)]
        wanted = next(r for r, error in enumerate(errors, start=1) if error <= theta + 1e-12)
        assert smallest_rank(s.square() / 500, theta) == wanted


def test_widths_by_theta_follow_the_teacher_and_do_not_depend_on_how_they_were_found(
    teacher: EDSR, patches: Tensor
) -> None:
    loose, tight, aligned = (
        winning_initialisation(teacher, patches, Student(theta=theta, multiple_of=multiple), PAPER).network
        for theta, multiple in ((0.14, 1), (0.05, 1), (0.14, 16))
    )
    assert all(one <= other for one, other in zip(loose.config.widths, tight.config.widths, strict=True))
    assert sum(tight.config.widths) > 1.3 * sum(loose.config.widths)
    assert aligned.plain().config.widths[:-1] == tuple(-(-(1 + w) // 16) * 16 for w in loose.config.widths[:-1])
    assert [network.plain().config.widths[-1] for network in (loose, aligned)] == [45, 48]
    first = winning_initialisation(teacher, patches, Student(width=1 + loose.config.widths[0]), PAPER).network
    torch.testing.assert_close(first.layers[0].weight, loose.layers[0].weight)
    torch.testing.assert_close(first.layers[0].bias, loose.layers[0].bias)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Student(), "one of width and theta"),
        (lambda: Student(width=64, theta=0.1), "one of width and theta"),
        (lambda: Student(theta=1.5), "theta below 1"),
        (lambda: Student(width=64, activation="none"), 'activation is "every"'),
        (lambda: Initialisation(directions="best"), 'directions is "principal"'),
        (lambda: Initialisation(bridges="none"), 'bridges is "directions"'),
        (lambda: Initialisation(patches=0), "patches must be positive"),
    ],
)
def test_wrong_settings_are_refused(make: object, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        make()
