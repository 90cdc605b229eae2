"""Dual networks for weights of an earlier run: read from the file beside them, or trained against them."""

import logging
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from training.checkpoint import dual_path, load_tensors
from training.loop.distributed import Processes

LOG = logging.getLogger(__name__)
LEARNING_RATE = 1e-3
STEPS = 200


def warm_up_dual_networks(
    duals: nn.ModuleList,
    weights: Path,
    batch_loss: Callable[[torch.Generator], Tensor],
    *,
    seed: int,
    processes: Processes,
) -> None:
    """Load `<weights>-dual.safetensors`, or train the dual networks for `STEPS` steps while the network stays fixed.

    Nothing happens if the dual networks have no parameters.

    Args:
        duals: the dual networks of the loss.
        weights: the weights that the network starts from.
        batch_loss: the loss of a batch that is drawn with this generator.
        seed: the run's.
        processes: their gradients are averaged.
    """
    parameters = list(duals.parameters())
    if not parameters:
        return
    if dual_path(weights).is_file():
        stored, _ = load_tensors(dual_path(weights))
        if {name: tensor.shape for name, tensor in stored.items()} == {
            name: tensor.shape for name, tensor in duals.state_dict().items()
        }:
            duals.load_state_dict(stored)
            return
    LOG.info("no fitting %s; learning dual networks for %d steps", dual_path(weights).name, STEPS)
    optimizer = torch.optim.Adam(parameters, lr=LEARNING_RATE)
    for step in range(STEPS):
        loss = batch_loss(torch.Generator().manual_seed(seed * 1_000_003 - 1 - step))
        grads = torch.autograd.grad(loss, parameters)
        for parameter, grad in zip(parameters, grads, strict=True):
            parameter.grad = grad
        processes.average_gradients(parameters)
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
