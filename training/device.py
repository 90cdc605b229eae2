"""Where a run computes, alone or as one of several processes under torchrun, and what it took there."""

import os

import torch
import torch.distributed as dist

from sr_infer.measure import peak_resident_bytes


def choose_device(name: str) -> torch.device:
    """This process's device under torchrun, else `name`, where "auto" means a GPU if there is one."""
    if device := join_processes():
        return device
    return torch.device(("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name)


def join_processes() -> torch.device | None:
    """Under torchrun, join the process group and return this process's device; None when run alone."""
    if "LOCAL_RANK" not in os.environ:
        return None
    if torch.cuda.is_available():
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
        dist.init_process_group("nccl")
        return device
    dist.init_process_group("gloo")
    return torch.device("cpu")


def peak_memory_bytes(device: torch.device) -> int:
    """The most that tensors took on a GPU, or this process on a CPU, so far."""
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else peak_resident_bytes()
