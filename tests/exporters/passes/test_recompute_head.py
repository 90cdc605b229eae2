"""A long skip whose beginning is computed again: the same function in less memory, or nothing is changed."""

from pathlib import Path

import onnx
import pytest
import torch

from exporters.measurements import bytes_per_px
from exporters.passes.apply import apply_passes
from exporters.passes.recompute_head import recompute_head
from exporters.trace import UnitRange, trace
from exporters.verify import references, verify
from training.networks import EDSRConfig, NetworkConfig, PlainConfig, build_network


def unit_network(architecture: str, config: NetworkConfig) -> UnitRange:
    torch.manual_seed(1)
    network = build_network(architecture, config)
    return UnitRange.of(network)


def folded(network: UnitRange) -> onnx.ModelProto:
    """The graph as the export has it then."""
    return apply_passes(trace(network), references(network))[0]


def test_the_function_stays_and_a_fifth_of_the_memory_is_saved(tmp_path: Path) -> None:
    network = unit_network("edsr", EDSRConfig(scale=4, width=48, blocks=4, tail="shuffle"))
    model = folded(network)
    onnx.save(model, tmp_path / "before.onnx")
    assert recompute_head(model).applied == 1
    onnx.checker.check_model(model, full_check=True)
    verify(model, references(network))
    onnx.save(model, tmp_path / "after.onnx")
    assert bytes_per_px(tmp_path / "after.onnx") < 0.85 * bytes_per_px(tmp_path / "before.onnx")


@pytest.mark.parametrize(
    ("architecture", "config"),
    [
        ("plain", PlainConfig(scale=2, widths=(16,) * 4)),  # no skip
        ("edsr", EDSRConfig(scale=2, width=8, blocks=1, tail="shuffle")),  # its head is a tenth of the work
    ],
)
def test_what_gains_nothing_is_left_alone(architecture: str, config: NetworkConfig) -> None:
    model = folded(unit_network(architecture, config))
    before = model.SerializeToString(deterministic=True)
    assert recompute_head(model).applied == 0
    assert model.SerializeToString(deterministic=True) == before
