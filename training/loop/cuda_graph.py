"""A step's loss and gradients as one CUDA graph: Python needs longer to start hundreds of small kernels than the GPU
needs to run them.
"""

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor, nn

WARM_UPS = 3
"""Runs before the recording, in which libraries choose their kernels and take their memory."""


class CudaGraphGradients:
    """Records at the first call, replays from then on; every batch must have the first one's sizes."""

    def __init__(self, loss_of: Callable[[Sequence[Tensor]], Tensor], parameters: Iterable[nn.Parameter]) -> None:
        """
        Args:
            loss_of: from a batch on a GPU to its loss, by work on that GPU alone.
            parameters: whose gradients are wanted. They are overwritten by each call and must not be taken away.
        """
        self._loss_of = loss_of
        self._parameters = list(parameters)
        self._graph: torch.cuda.CUDAGraph | None = None
        self._batch: list[Tensor] = []
        self._loss = torch.empty(0)

    def __call__(self, batch: Sequence[Tensor]) -> Tensor:
        """Set the gradients of one batch; returns its loss."""
        if self._graph is None:
            self._graph = self._record(batch)
        for own, given in zip(self._batch, batch, strict=True):
            own.copy_(given)
        self._graph.replay()
        return self._loss.clone()

    def _record(self, batch: Sequence[Tensor]) -> torch.cuda.CUDAGraph:
        self._batch = [tensor.clone() for tensor in batch]
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(WARM_UPS):
                self._compute()
        torch.cuda.current_stream().wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        self._forget_gradients()
        with torch.cuda.graph(graph):
            self._loss = self._compute()
        return graph

    def _compute(self) -> Tensor:
        self._forget_gradients()
        loss = self._loss_of(self._batch)
        loss.backward()
        return loss.detach()

    def _forget_gradients(self) -> None:
        for parameter in self._parameters:
            parameter.grad = None
