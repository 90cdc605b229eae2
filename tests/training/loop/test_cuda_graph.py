"""Gradients as a recorded CUDA graph: the same as those that Python starts kernel by kernel, batch after batch."""

import copy
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from training.loop.cuda_graph import CudaGraphGradients
from training.losses import ReconstructionLoss
from training.networks import EDSR, EDSRConfig

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="CUDA graphs need a GPU")


def test_replayed_gradients_are_those_of_the_batch_given() -> None:
    config = EDSRConfig(scale=2, blocks=2, width=16, tail="shuffle")
    network = EDSR(config).cuda()
    twin = copy.deepcopy(network)
    loss = ReconstructionLoss(config)
    learnt = [
        (one, other)
        for one, other in zip(network.parameters(), twin.parameters(), strict=True)
        if one.requires_grad  # all but the mean shifts
    ]

    def loss_of(batch: Sequence[Tensor]) -> Tensor:
        return loss(network, batch)

    recorded = CudaGraphGradients(loss_of, network.parameters())
    for seed in range(3):
        generator = torch.Generator("cuda").manual_seed(seed)
        pyramid = [255 * torch.rand(4, 3, side, side, device="cuda", generator=generator) for side in (16, 32)]
        found = recorded(pyramid)
        twin.zero_grad()
        expected = loss(twin, pyramid)
        expected.backward()
        assert found.item() == pytest.approx(expected.item(), rel=1e-4)
        for parameter, other in learnt:
            torch.testing.assert_close(parameter.grad, other.grad, rtol=1e-2, atol=1e-3)
        with torch.no_grad():  # a step, which the recording must see
            for parameter, other in learnt:
                assert other.grad is not None
                parameter -= 1e-3 * other.grad
                other -= 1e-3 * other.grad
