"""Plain networks with a trunk in float: the same function, and one that bears 8 bits."""

from functools import cache

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from exporters.carry_in_float import Carried, carry_in_float
from exporters.open_graph import open_graph
from exporters.simplify import simplify
from exporters.trace import UnitRange, trace
from tests.exporters.test_insert_qdq import in_8_bits, photograph
from training.compress.memsr_initialisation import Initialisation, winning_initialisation
from training.compress.memsr_widths import Student
from training.networks import EDSR, EDSRConfig, Plain, PlainConfig

CROPS = [photograph(name, 40) for name in ("coffee", "chelsea", "rocket")]


@cache
def plain() -> Plain:
    """Made from a residual network of two blocks."""
    torch.manual_seed(2)
    teacher = EDSR(EDSRConfig(scale=2, blocks=2, width=16, tail="shuffle")).eval()
    pictures = torch.from_numpy(np.concatenate(CROPS)) * 255
    settings = Initialisation(directions="rectified", bridges="fitted", shift=12.0)
    return winning_initialisation(teacher, pictures, Student(width=32), settings).network.plain()


@cache
def carried() -> Carried:
    result = carry_in_float(plain(), CROPS)
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


def test_it_bears_8_bits_where_the_plain_network_does_not() -> None:
    lr = photograph("astronaut", 40)
    errors = []
    for network in (plain(), carried()):
        single = graph(network)
        expected, found = (open_graph(model).run(["sr"], {"lr": lr})[0] for model in (single, in_8_bits(single)))
        errors.append(np.sqrt(np.mean((found - expected) ** 2)))
    assert errors[1] < errors[0] / 5


def test_a_network_that_carries_nothing_is_left_alone() -> None:
    torch.manual_seed(0)
    assert carry_in_float(Plain(PlainConfig(scale=2, widths=(12, 12))), CROPS) is None
