"""The device of a run, and its processes under torchrun: each takes its share of every batch."""

import os
from collections.abc import Iterable

import torch
import torch.distributed as dist
from torch import Tensor, nn

from sr_infer.errors import OptionError


def choose_device(name: str) -> torch.device:
    """This process's device under torchrun, else `name`, where "auto" means a GPU if there is one.

    Raises:
        OptionError: there is no such device here.
    """
    if device := join_processes():
        return device
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    wanted = f"expected a device of this machine (auto, cpu, cuda, cuda:1, ...), got {name!r}"
    try:
        device = torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:
        raise OptionError(wanted) from error
    if device.type not in ("cpu", "cuda"):
        raise OptionError(wanted)
    return device


def join_processes() -> torch.device | None:
    """Under torchrun, join the process group and return this process's device; None when run alone."""
    if "LOCAL_RANK" not in os.environ:
        return None
    # Optimizers import it. Imported after the process group, it would keep the group's threads alive beyond the end of
    # the interpreter, where they abort now and then.
    import torch._dynamo

    if torch.cuda.is_available():
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
        dist.init_process_group("nccl")
        return device
    dist.init_process_group("gloo")
    return torch.device("cpu")


class Processes:
    """All processes that train one network; a single one without torchrun."""

    def __init__(self) -> None:
        self.count = dist.get_world_size() if dist.is_initialized() else 1
        self.rank = dist.get_rank() if dist.is_initialized() else 0

    def share_of(self, batch: int) -> slice:
        """This process's part of a batch.

        Raises:
            OptionError: the batch does not divide among the processes.
        """
        if batch % self.count:
            raise OptionError(f"a batch of {batch} does not divide among {self.count} processes")
        each = batch // self.count
        return slice(self.rank * each, (self.rank + 1) * each)

    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Average gradients in one message, since a network has hundreds of small tensors."""
        if self.count == 1:
            return
        gradients = [p.grad for p in parameters if p.grad is not None]
        joined = self.mean(torch.cat([gradient.flatten() for gradient in gradients]))
        parts = joined.split([gradient.numel() for gradient in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view_as(gradient))

    def mean(self, value: Tensor) -> Tensor:
        """Sum `value` over the processes, in place."""
        if self.count > 1:
            dist.all_reduce(value)
        return value / self.count

    def agree_on(self, value: float) -> float:
        """The first process's value, in all of them."""
        if self.count == 1:
            return value
        values = [value]
        dist.broadcast_object_list(values)
        return values[0]

    def wait(self) -> None:
        """Until all are here."""
        if self.count > 1:
            dist.barrier()
