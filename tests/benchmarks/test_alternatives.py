"""The alternatives have the published numbers of parameters."""

import pytest
import torch

from benchmarks.alternatives import build_alternative
from sr_infer import SrInferError


@pytest.mark.parametrize(
    ("name", "parameters"),
    [("FSRCNN", 12_464 + 173 + 172), ("Real-ESRGAN compact", 1_213_296), ("IMDN", 715_176), ("RFDN", 433_448)],
)
def test_parameters_and_output_size_at_x4(name: str, parameters: int) -> None:
    """The paper on FSRCNN counts neither biases nor slopes of PReLUs, so they are added here."""
    network = build_alternative(name, 4)
    assert sum(p.numel() for p in network.parameters()) == parameters
    assert network(torch.rand(1, network.channels, 16, 24)).shape == (1, network.channels, 64, 96)


def test_an_unknown_alternative_is_refused() -> None:
    with pytest.raises(SrInferError, match="FSRCNN"):
        build_alternative("ESPCN", 4)
