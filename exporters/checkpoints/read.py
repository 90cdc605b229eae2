"""Read a checkpoint of ours, of a paper's authors or of the community as a network to export."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import Tensor

from exporters.checkpoints import basicsr, community, drn, edsr, memsr, rir
from exporters.checkpoints.safe_load import load_state
from exporters.checkpoints.source import Source
from sr_infer.errors import ModelError, SrInferError
from training.checkpoint import is_ours, load_network
from training.networks.cost import count_macs, count_parameters

Reader = Callable[[dict[str, Tensor]], Source]

LAYOUTS: dict[str, tuple[Callable[[dict[str, Tensor]], bool], Reader]] = {
    "DRN and its compressed forms": (drn.recognises, drn.read),
    "EDSR, LEDSR (SRPN-Lite)": (edsr.recognises, edsr.read),
    "RIRSR (SRPN)": (rir.recognises, rir.read),
    "BasicSR's EDSR": (basicsr.recognises_edsr, basicsr.read_edsr),
    "BasicSR's MSRResNet": (basicsr.recognises_srresnet, basicsr.read_srresnet),
    "MemSR's student": (memsr.recognises_student, memsr.read_student),
    "MemSR's teacher": (memsr.recognises_teacher, memsr.read_teacher),
}


def read_checkpoint(path: Path) -> Source:
    """The network of a checkpoint: .safetensors as training writes it, or .pt, .pth, .ckpt and .safetensors of others.

    Nothing that a file holds is executed.

    Raises:
        ModelNotFoundError: there is no such file.
        ModelError: it cannot be read, its layout is not known, or its tensors do not fit; the message says which.
    """
    if not path.is_file() or is_ours(path):
        architecture, config, network, header = load_network(path)
        return Source(
            architecture=architecture,
            scale=config.scale,
            value_range=config.value_range,
            network=network,
            params=count_parameters(network, mean_shift=False),
            macs_per_px=round(count_macs(network, (96, 96), bias=False) / 96**2),
            trained_on=_training_note(header),
            licence="Apache-2.0",
        )
    state = load_state(path)
    recognised = next((read for recognises, read in LAYOUTS.values() if recognises(state)), None)
    try:
        return (recognised or community.read)(state)
    except SrInferError as error:
        first = ", ".join(list(state)[:4])
        unknown = "" if recognised else f"no known layout begins with {first}; known are {'; '.join(LAYOUTS)}; "
        raise ModelError(f"{path}: {unknown}{error}") from error
    except Exception as error:  # readers take shapes at their word
        raise ModelError(
            f"{path}: its tensors do not fit together ({type(error).__name__}: {error}); fetch it again"
        ) from error


def _training_note(header: dict[str, Any]) -> str:
    history = header.get("history", {})
    parts = [
        header["recipe"].get("note", ""),
        f"{history['steps']:,} steps of {history['batch']} LR patches of {history['lr_patch_px']} px"
        if "steps" in history
        else "",
        f"from {history['started_from']}" if history.get("started_from") else "",
        f"towards the self-ensemble of {history['taught_by']}" if history.get("taught_by") else "",
        f"averaged with {history['averaged_with']}" if history.get("averaged_with") else "",
        f"on {history['pictures']:,} pictures" if "pictures" in history else "",
        f"with {history['benchmark_check']}" if "benchmark_check" in history else "",
        f"({history['data']})" if history.get("data") else "",
    ]
    return " ".join(part for part in parts if part)
