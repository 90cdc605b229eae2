"""Merged kernels give what the convolutions gave one after another, on the border too where that is promised."""

import pytest
import torch
from torch import Tensor, nn

from training.networks.convolution_algebra import (
    Convolution,
    behind_shuffle,
    depthwise,
    identity,
    keeping_ones,
    making_ones,
    parallel,
    reading,
    sequential,
    stacked,
    unshifting,
    with_ones,
    without_ones,
)

SIZES_HW = [(1, 1), (1, 4), (5, 2), (9, 8)]


def random(outputs: int, inputs: int, size_px: int, *, bias: bool = True) -> Convolution:
    generator = torch.Generator().manual_seed(outputs + 10 * inputs + 100 * size_px)
    weight = torch.randn(outputs, inputs, size_px, size_px, generator=generator, dtype=torch.float64)
    return Convolution(weight, torch.randn(outputs, generator=generator, dtype=torch.float64) * bias)


def picture(channels: int, size_hw: tuple[int, int]) -> Tensor:
    return torch.randn(2, channels, *size_hw, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def beside_ones(x: Tensor) -> Tensor:
    return torch.cat((torch.ones_like(x[:, :1]), x), dim=1)


def assert_same(one: Tensor, other: Tensor) -> None:
    torch.testing.assert_close(one, other, rtol=0, atol=1e-11)


@pytest.mark.parametrize("size_hw", SIZES_HW)
def test_pointwise_second_is_exact(size_hw: tuple[int, int]) -> None:
    first, second, x = random(4, 3, 3), random(5, 4, 1), picture(3, size_hw)
    assert_same(sequential(first, second)(x), second(first(x)))


@pytest.mark.parametrize("size_hw", SIZES_HW)
def test_pointwise_first_without_bias_is_exact(size_hw: tuple[int, int]) -> None:
    first, second, x = random(4, 3, 1, bias=False), random(5, 4, 3), picture(3, size_hw)
    assert_same(sequential(first, second)(x), second(first(x)))


def test_two_wide_kernels_agree_inside_and_not_on_the_border() -> None:
    first, second, x = random(4, 3, 3), random(2, 4, 5), picture(3, (12, 13))
    merged = sequential(first, second)
    assert merged.weight.shape == (2, 3, 7, 7)
    difference = (merged(x) - second(first(x))).abs()
    assert difference[:, :, 3:-3, 3:-3].max() < 1e-4
    assert difference.max() > 0.1


@pytest.mark.parametrize("size_hw", SIZES_HW)
@pytest.mark.parametrize("size_px", [1, 3])
def test_parallel(size_px: int, size_hw: tuple[int, int]) -> None:
    one, other, x = random(4, 3, 3), random(4, 3, size_px), picture(3, size_hw)
    assert_same(parallel(one, other)(x), one(x) + other(x))
    assert_same(parallel(other, one)(x), one(x) + other(x))


@pytest.mark.parametrize("size_hw", SIZES_HW)
def test_identity_carries_a_skip(size_hw: tuple[int, int]) -> None:
    convolution, x = random(3, 3, 3), picture(3, size_hw)
    unchanged = identity(3, dtype=torch.float64)
    torch.testing.assert_close(identity(3, 5, dtype=torch.float64)(x), x, rtol=0, atol=0)
    assert_same(parallel(convolution, unchanged)(x), convolution(x) + x)
    assert_same(stacked(convolution, unchanged)(x), torch.cat((convolution(x), x), dim=1))


@pytest.mark.parametrize("size_hw", SIZES_HW)
@pytest.mark.parametrize("size_px", [1, 3])
def test_a_channel_of_ones_stands_for_the_bias(size_px: int, size_hw: tuple[int, int]) -> None:
    convolution, x = random(4, 3, size_px), picture(3, size_hw)
    assert_same(with_ones(convolution)(beside_ones(x)), convolution(x))
    assert_same(keeping_ones(with_ones(convolution))(beside_ones(x)), beside_ones(convolution(x)))
    assert_same(making_ones(convolution)(x), beside_ones(convolution(x)))
    assert_same(without_ones(with_ones(convolution))(x), convolution(x))


@pytest.mark.parametrize("size_hw", SIZES_HW)
def test_beside_ones_a_pointwise_first_is_exact_with_its_bias(size_hw: tuple[int, int]) -> None:
    first, second, x = random(4, 3, 1), random(5, 4, 3), picture(3, size_hw)
    merged = sequential(keeping_ones(with_ones(first)), with_ones(second))
    assert_same(merged(beside_ones(x)), second(first(x)))


@pytest.mark.parametrize("size_hw", SIZES_HW)
def test_a_shift_of_the_input_is_taken_back_beside_ones(size_hw: tuple[int, int]) -> None:
    kernel, x, shift = random(4, 4, 3, bias=False), picture(3, size_hw), torch.tensor([1.0, -20.0, 0.5]).double()
    shifted = beside_ones(x + shift[:, None, None])
    assert_same(unshifting(shift, kernel)(shifted), kernel(beside_ones(x)))


def test_a_kernel_on_the_ones_becomes_a_bias_inside_and_not_on_the_border() -> None:
    kernel, x = random(4, 4, 3, bias=False), picture(3, (6, 7))
    difference = (without_ones(kernel)(x) - kernel(beside_ones(x))).abs()
    assert difference[:, :, 1:-1, 1:-1].max() < 1e-11
    assert difference.max() > 0.1


@pytest.mark.parametrize("size_hw", SIZES_HW)
def test_reading_some_channels(size_hw: tuple[int, int]) -> None:
    convolution, x = random(4, 3, 3), picture(7, size_hw)
    assert_same(reading(convolution, 2, 7)(x), convolution(x[:, 2:5]))


def edge_branch(mask: Tensor, x: Tensor) -> tuple[Tensor, Convolution]:
    """ECBSR: a pointwise convolution of the padded picture, then a mask times a learnt scale; and both as one."""
    pointwise, scale, bias = random(6, 4, 1), *picture(6, (1, 1))[:, :, 0, 0]
    filters = scale[:, None, None] * mask
    mixed = nn.functional.conv2d(nn.functional.pad(x, (1, 1, 1, 1)), pointwise.weight, pointwise.bias)
    found = nn.functional.conv2d(mixed, filters[:, None], bias, groups=6)
    return found, sequential(pointwise, depthwise(filters, bias))


@pytest.mark.parametrize("size_hw", SIZES_HW)
def test_an_edge_oriented_block_becomes_one_convolution(size_hw: tuple[int, int]) -> None:
    """3x3, Sobel along both axes and Laplacian, added; exact on the border."""
    x, merged = picture(4, size_hw), random(6, 4, 3)
    expected = merged(x)
    sobel = torch.tensor([[1.0, 0, -1], [2, 0, -2], [1, 0, -1]], dtype=torch.float64)
    laplacian = torch.tensor([[0.0, 1, 0], [1, -4, 1], [0, 1, 0]], dtype=torch.float64)
    for mask in (sobel, sobel.T, laplacian):
        found, kernel = edge_branch(mask, x)
        expected, merged = expected + found, parallel(merged, kernel)
    assert_same(merged(x), expected)


@pytest.mark.parametrize("size_hw", SIZES_HW)
@pytest.mark.parametrize("factor", [2, 3])
def test_behind_shuffle(factor: int, size_hw: tuple[int, int]) -> None:
    first, pointwise, x = random(4 * factor**2, 3, 3), random(5, 4, 1), picture(3, size_hw)
    merged = nn.functional.pixel_shuffle(behind_shuffle(first, pointwise, factor)(x), factor)
    assert_same(merged, pointwise(nn.functional.pixel_shuffle(first(x), factor)))


def test_dtype_is_kept() -> None:
    half = Convolution(torch.ones(2, 2, 1, 1).half(), torch.zeros(2).half())
    assert sequential(half, half).weight.dtype == torch.float16


@pytest.mark.parametrize(
    ("refused", "says"),
    [
        (lambda: sequential(random(4, 3, 3), random(2, 3, 1)), "takes 3 channels, the first gives 4"),
        (lambda: parallel(random(4, 3, 3), random(5, 3, 3)), "cannot be added"),
        (lambda: stacked(random(4, 3, 3), random(4, 2, 3)), "do not read the same picture"),
        (lambda: reading(random(4, 3, 3), 2, 4), "4 channels have no 2 .. 4"),
        (lambda: behind_shuffle(random(8, 3, 3), random(2, 3, 1), 2), "1x1 convolution of 2 channels"),
        (lambda: behind_shuffle(random(8, 3, 3), random(2, 2, 3), 2), "1x1 convolution of 2 channels"),
        (lambda: Convolution(torch.ones(2, 2, 2, 2), torch.ones(2)), "odd"),
        (lambda: Convolution(torch.ones(2, 2, 3, 3), torch.ones(3)), "bias"),
    ],
)
def test_what_does_not_fit_is_refused(refused: object, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        refused()
