"""Verification finds graphs that are wrong, on the border alone too."""

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from exporters.graph_analysis import halo_px
from exporters.passes.bicubic_as_convolution import bicubic_as_convolution
from exporters.passes.share_pooling import share_pooling
from exporters.passes.simplify import simplify
from exporters.trace import UnitRange, trace
from exporters.verify import VerificationError, confirm_halo, references, verify
from training.networks import DRNConfig, Plain, PlainConfig, build_network

CONFIG = PlainConfig(scale=2, widths=(4, 4))


@pytest.fixture(scope="module")
def network() -> UnitRange:
    torch.manual_seed(0)
    return UnitRange.of(Plain(CONFIG))


@pytest.fixture(scope="module")
def graph(network: UnitRange) -> onnx.ModelProto:
    return simplify(trace(network))


@pytest.fixture
def model(graph: onnx.ModelProto) -> onnx.ModelProto:
    copy = onnx.ModelProto()
    copy.CopyFrom(graph)
    return copy


def test_right_graph_reports_every_size(network: UnitRange, model: onnx.ModelProto) -> None:
    differences = verify(model, references(network))
    assert list(differences) == [(1, 1), (2, 3), (7, 5), (24, 33), (64, 48)]
    assert max(differences.values()) < 1e-5


def test_one_weight_off_by_a_hundredth(network: UnitRange, model: onnx.ModelProto) -> None:
    weights = next(tensor for tensor in model.graph.initializer if list(tensor.dims) == [4, 3, 3, 3])
    values = numpy_helper.to_array(weights).copy()
    values[2, 1, 1, 1] += 0.01
    weights.CopyFrom(numpy_helper.from_array(values, weights.name))
    with pytest.raises(VerificationError, match="at 2x3 the exported graph differs from the network by"):
        verify(model, references(network))


class NaiveMeanFold(nn.Module):
    """The mean folded into the first bias: right inside, wrong on the border, where padding is no longer the mean."""

    def __init__(self, right: UnitRange) -> None:
        super().__init__()
        self.right = right
        self.scale = right.scale

    def forward(self, lr: Tensor) -> Tensor:
        plain = self.right.network
        assert isinstance(plain, Plain)
        head = plain.body[0]
        shift = plain.sub_mean.bias
        bias = head.bias + (head.weight.sum(dim=(2, 3)) @ shift)
        x = nn.functional.conv2d(lr * self.right.value_range, head.weight, bias, padding=1)
        sr = plain.add_mean(plain.tail(plain.body[1:](x)))
        return sr * (1 / self.right.value_range)


def test_naive_fold_of_the_mean_is_found(network: UnitRange) -> None:
    naive = NaiveMeanFold(network).eval()
    lr = torch.rand(1, 3, 16, 16)
    with torch.no_grad():
        inside = (naive(lr) - network(lr))[:, :, 8:-8, 8:-8].abs().max()
    assert inside < 1e-5
    with pytest.raises(VerificationError, match="differs from the network"):
        verify(trace(naive), references(network))


def test_output_of_another_size(network: UnitRange) -> None:
    other = PlainConfig(scale=3, widths=(4, 4))
    with pytest.raises(VerificationError, match="differs from the network by inf"):
        verify(trace(UnitRange.of(Plain(other))), references(network))


def test_graph_that_does_not_load(network: UnitRange, model: onnx.ModelProto) -> None:
    del model.graph.initializer[0]
    with pytest.raises(VerificationError, match="cannot load"):
        verify(model, references(network))


def test_halo_holds_and_one_less_does_not(model: onnx.ModelProto) -> None:
    radius = halo_px(model)
    assert radius == 3
    confirm_halo(model, halo_px=radius)
    with pytest.raises(VerificationError, match="further away than the halo of 2 px"):
        confirm_halo(model, halo_px=radius - 1)


def test_network_that_is_not_finite(network: UnitRange) -> None:
    broken = UnitRange.of(Plain(CONFIG))
    with torch.no_grad():
        next(broken.parameters()).fill_(np.inf)
    with pytest.raises(VerificationError, match="not finite at 1x1"):
        references(broken)


@pytest.mark.slow
@pytest.mark.parametrize("blocks", [1, 3])
def test_halo_of_drn_x8_covers_the_enlargement_by_convolution(blocks: int) -> None:
    """The convolution pads the image first, so that tensor's sides say nothing about the size of its pixels."""
    torch.manual_seed(1)
    network = build_network("drn", DRNConfig(scale=8, blocks=blocks, features=4))
    model = simplify(trace(UnitRange.of(network)))
    as_resize = halo_px(model)
    assert bicubic_as_convolution(model).applied == 1
    assert halo_px(model) == as_resize
    share_pooling(model)
    confirm_halo(model, halo_px=as_resize)
