"""Dual networks for weights that were trained before: those that lie beside them, or learnt against them."""

import logging
from pathlib import Path

import torch
from torch import nn

from training.checkpoint import dual_path, load_tensors
from training.loop.trainer import Trainer

LOG = logging.getLogger(__name__)
LEARNING_RATE = 1e-3
STEPS = 200


def start_duals(trainer: Trainer, weights: Path) -> None:
    """Load `<weights>-dual.safetensors` into the trainer's loss, or learn it for `STEPS` steps, the network fixed.

    Nothing is done for a loss without dual networks to learn.
    """
    duals = trainer.loss.duals
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
    LOG.info("no %s of this kind; learning dual networks for %d steps", dual_path(weights).name, STEPS)
    optimizer = torch.optim.Adam(parameters, lr=LEARNING_RATE)
    for step in range(STEPS):
        generator = torch.Generator().manual_seed(trainer.settings.seed * 1_000_003 - 1 - step)
        with trainer.autocast():
            loss = trainer.batch_loss(generator)
        grads = torch.autograd.grad(loss, parameters)
        for parameter, grad in zip(parameters, grads, strict=True):
            parameter.grad = grad
        trainer.processes.average_gradients(parameters)
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
