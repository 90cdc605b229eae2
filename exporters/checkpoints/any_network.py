"""Any torch module as a network to export; a trial run finds its input and output."""

import importlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from exporters.checkpoints.safe_load import load_state
from exporters.checkpoints.source import Source, load_strictly
from exporters.input_sizes import LARGE_PX, find_input_sizes
from sr_infer.errors import ModelError, OptionError

WRAPPERS = ("module.", "model.", "generator.", "net_g.", "network.", "net.")
"""What training code puts before the names of a network's tensors."""
LAST_IMAGE = -1


class OneImage(nn.Module):
    """One image of a network that returns a list or tuple."""

    def __init__(self, network: nn.Module, index: int) -> None:
        super().__init__()
        self.network = network
        self.index = index

    def forward(self, lr: Tensor) -> Tensor:
        image: Tensor = self.network(lr)[self.index]
        return image


def network_source(
    network: nn.Module,
    *,
    scale: int,
    value_range: float = 1.0,
    image: int = LAST_IMAGE,
    architecture: str | None = None,
    trained_on: str = "",
    licence: str = "",
) -> Source:
    """Wrap a module from (N, 3, H, W) or (N, 1, H, W) to `scale` times the size; it is set to evaluation.

    Args:
        network: the module, on the CPU.
        scale: output side over input side; 1 for networks that keep the size.
        value_range: what stands for white, such as 1 or 255.
        image: which one is taken where the module gives a list or tuple of images.
        architecture: for the card; None takes the name of the class.
        trained_on: data with attribution, for the card.
        licence: of the weights, for the card.

    Raises:
        OptionError: `scale` or `value_range` is out of range.
        ModelError: the module fails on pictures, or gives no picture of `scale` times the size.
    """
    if scale < 1 or not value_range > 0:
        raise OptionError(f"expected scale of at least 1 and value_range above 0, got {scale} and {value_range:g}")
    name = architecture or type(network).__name__
    network = network.float().eval()
    channels = _channels(network)
    if isinstance(_run(network, channels, LARGE_PX, LARGE_PX), list | tuple):
        network = OneImage(network, image).eval()

    def enlarge(height: int, width: int) -> tuple[int, ...]:
        sr = _run(network, channels, height, width)
        if not isinstance(sr, Tensor) or sr.ndim != 4 or sr.shape[1] != channels:
            found = f"shape {tuple(sr.shape)}" if isinstance(sr, Tensor) else type(sr).__name__
            raise ModelError(f"expected an image (1, {channels}, height, width) from {name}, got {found}")
        return tuple(sr.shape)

    try:
        sizes = find_input_sizes(enlarge, scale=scale)
    except ModelError as error:
        raise ModelError(f"{name} is no super-resolution network of scale {scale}: {error}") from error
    return Source(
        architecture=name,
        scale=scale,
        value_range=value_range,
        network=network,
        trained_on=trained_on,
        licence=licence,
        channels=channels,
        multiple_of_px=sizes.multiple_of_px,
        min_size_px=sizes.min_size_px,
        is_foreign=True,
    )


def import_network(name: str, options: Mapping[str, Any], weights: Path) -> nn.Module:
    """Import a class, build it with keyword arguments and load its weights. This runs the module's code.

    Args:
        name: "package.module:Class".
        options: the keyword arguments.
        weights: a checkpoint as training code of all kinds saves it.

    Raises:
        OptionError: there is no such class, it does not take the options, or it is no torch module.
        ModelError: the checkpoint cannot be read, or its tensors do not fit; the message names them.
    """
    module_name, _, class_name = name.partition(":")
    if not class_name:
        raise OptionError(f"expected --network package.module:Class, got {name!r}")
    try:
        build = getattr(importlib.import_module(module_name), class_name)
        network = build(**options)
    except Exception as error:  # the user's code may raise anything
        raise OptionError(
            f"cannot build {name} with {json.dumps(dict(options))}: {type(error).__name__}: {error}; run from the "
            "folder that holds the module, or add it to PYTHONPATH"
        ) from error
    if not isinstance(network, nn.Module):
        raise OptionError(f"expected {name} to build a torch.nn.Module, got {type(network).__name__}")
    load_weights(network, weights)
    return network


def load_weights(network: nn.Module, path: Path) -> None:
    """Load a checkpoint, whatever its tensors' names begin with (`WRAPPERS`).

    Raises:
        ModelError: it cannot be read, or tensors are missing, unexpected or misshapen; the message names them.
    """
    state, own = load_state(path), network.state_dict()
    for wrapper in WRAPPERS:
        if all(name.startswith(wrapper) for name in state) and not any(name.startswith(wrapper) for name in own):
            state = {name.removeprefix(wrapper): tensor for name, tensor in state.items()}
    try:
        load_strictly(network, state)
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error


def _channels(network: nn.Module) -> int:
    """3 or 1, whichever the network runs on."""
    reasons = []
    for channels in (3, 1):
        try:
            _run(network, channels, LARGE_PX, LARGE_PX)
        except ModelError as error:
            reasons.append(str(error))
        else:
            return channels
    raise ModelError(f"expected a network that takes (N, 3, H, W) or (N, 1, H, W); {'; '.join(reasons)}")


def _run(network: nn.Module, channels: int, height: int, width: int) -> Any:
    try:
        with torch.no_grad():
            return network(torch.zeros(1, channels, height, width))
    except Exception as error:  # a network may raise anything on sizes that it does not take
        reason = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
        raise ModelError(f"{type(network).__name__} fails on (1, {channels}, {height}, {width}): {reason}") from error
