"""Plain networks with a trunk in float: the same function, and one that bears 8 bits."""

from functools import cache

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from exporters.graph import Graph
from exporters.passes.simplify import simplify
from exporters.quantization.float_trunk import Carried, build_float_trunk
from exporters.run_graph import session_for
from exporters.trace import UnitRange, trace
from tests.exporters.quantization.test_insert_qdq import in_8_bits, photograph
from training.compress.memsr.initialisation import Initialisation, winning_initialisation
from training.compress.memsr.widths import Student
from training.networks import EDSR, EDSRConfig, Plain, PlainConfig

CROPS = [photograph(name, 40) for name in ("coffee", "chelsea", "rocket")]


@cache
def plain() -> Plain:
    """Made from a residual network of two blocks."""
    torch.manual_seed(2)
    teacher = EDSR(EDSRConfig(scale=2, blocks=2, width=16, tail="shuffle")).eval()
    pictures = torch.from_numpy(np.concatenate(CROPS)) * 255
    settings = Initialisation(directions="rectified", bridges="fitted", shift=12.0)
    return winning_initialisation(teacher, pictures, Student(width=33), settings).network.plain()


@cache
def carried() -> Carried:
    result = build_float_trunk(plain(), CROPS)
    assert result is not None
    return result


@pytest.mark.parametrize("size_hw", [(1, 1), (2, 5), (40, 31)])
def test_function_is_the_same_up_to_the_border(size_hw: tuple[int, int]) -> None:
    lr = torch.from_numpy(photograph("astronaut", 40)[:, :, : size_hw[0], : size_hw[1]].copy()) * 255
    with torch.no_grad():
        difference = (carried()(lr) - plain()(lr)).abs()
    assert difference.mean() < 0.005
    assert difference.max() < 0.25, "levels, where ReLU cuts off what is taken for linear"


def graph(network: nn.Module) -> onnx.ModelProto:
    return simplify(trace(UnitRange(network, scale=2, value_range=255.0)))


@cache
def carried_graph() -> onnx.ModelProto:
    return graph(carried())


@cache
def carried_in_8_bits() -> onnx.ModelProto:
    return in_8_bits(carried_graph())


def test_it_bears_8_bits_where_the_plain_network_does_not() -> None:
    lr = photograph("astronaut", 40)
    errors = []
    chain = graph(plain())
    for single, small in ((chain, in_8_bits(chain)), (carried_graph(), carried_in_8_bits())):
        expected, found = (session_for(model).run(["sr"], {"lr": lr})[0] for model in (single, small))
        errors.append(np.sqrt(np.mean((found - expected) ** 2)))
    assert errors[1] < errors[0] / 5


def test_trunk_and_others_are_put_together_in_8_bits() -> None:
    small = carried_in_8_bits()
    makers = Graph(small).producer
    concatenated = [
        makers[name].op_type for node in small.graph.node if node.op_type == "Concat" for name in node.input
    ]
    assert set(concatenated) == {"QuantizeLinear", "Max"}


def test_widths_are_those_that_8_bits_are_fast_with() -> None:
    layers = [*carried().to_trunk[1:], carried().tail]
    assert {layer.in_channels % 4 for layer in layers} == {0}


def test_a_network_that_carries_nothing_is_left_alone() -> None:
    torch.manual_seed(0)
    assert build_float_trunk(Plain(PlainConfig(scale=2, widths=(12, 12))), CROPS) is None
