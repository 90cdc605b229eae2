"""The result of reading a checkpoint, and helpers that readers share."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import onnx
from torch import Tensor, nn

from exporters.trace import UnitRange
from sr_infer.errors import ModelError
from training.networks import NetworkConfig, build_network
from training.networks.cost import count_macs, count_parameters

PROBE_PX = 96


@dataclass(frozen=True, kw_only=True)
class Source:
    """A network to export, and its origin for the model card."""

    architecture: str
    scale: int
    value_range: float
    """Input and output of the network are (N, channels, H, W) in 0 .. this."""
    network: nn.Module
    trained_on: str
    licence: str
    params: int | None = None
    """None counts the kernels of the graph."""
    macs_per_px: int | None = None
    """Multiply-accumulates per LR pixel; None counts those of the graph."""
    channels: int = 3
    """3 for RGB, 1 for luma."""
    multiple_of_px: int = 1
    """Input sides must be multiples of this."""
    min_size_px: int = 1
    """The smallest input side."""
    is_foreign: bool = False
    """Nobody looked at the architecture: tiles may differ from the whole, and by how much is measured."""
    graph: onnx.ModelProto | None = None
    """The graph from `lr` to `sr` in [0, 1], where the network came as one; None traces `network`."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """Metadata of the file that the network came from, to be kept."""
    window_px: int | None = None
    """Export for squares of this side, since the network depends on the input's size; None exports for any size."""

    def unit_range(self) -> UnitRange:
        """The network as it is deployed."""
        return UnitRange(self.network, scale=self.scale, value_range=self.value_range).eval()


def third_party_source(architecture: str, network: nn.Module, *, scale: int, value_range: float, origin: str) -> Source:
    """Wrap a network from a third party, named by `origin`."""
    return Source(
        architecture=architecture,
        scale=scale,
        value_range=value_range,
        network=network.eval(),
        params=count_parameters(network, mean_shift=False),
        macs_per_px=round(count_macs(network, (PROBE_PX, PROBE_PX), bias=False) / PROBE_PX**2),
        trained_on=f"read from a checkpoint of {origin}; see there",
        licence="of the checkpoint's authors",
    )


def build(architecture: str, config: NetworkConfig, state: dict[str, Tensor]) -> nn.Module:
    """One of our networks with the tensors of `state`, which have our names.

    Raises:
        ModelError: tensors are missing, unexpected or misshapen; the message names them.
    """
    network = build_network(architecture, config)
    load_strictly(network, state)
    return network


def load_strictly(network: nn.Module, state: dict[str, Tensor]) -> None:
    """Load tensors by name.

    Raises:
        ModelError: tensors are missing, unexpected or misshapen; the message names them.
    """
    own = network.state_dict()
    complaints = {
        "missing": [name for name in own if name not in state],
        "unexpected": [name for name in state if name not in own],
        "misshapen": [
            f"{name} {tuple(state[name].shape)} instead of {tuple(own[name].shape)}"
            for name in own
            if name in state and state[name].shape != own[name].shape
        ],
    }
    if any(complaints.values()):
        said = "; ".join(f"{kind}: {', '.join(names)}" for kind, names in complaints.items() if names)
        raise ModelError(f"tensors do not fit {type(network).__name__}; {said}")
    network.load_state_dict({name: tensor.float() for name, tensor in state.items()})


def count(state: dict[str, Tensor], pattern: str) -> int:
    """How many consecutive numbers from 0 put into `pattern` ("body.{}.body.0.weight") give a tensor's name."""
    number = 0
    while pattern.format(number) in state:
        number += 1
    return number


def shape(state: dict[str, Tensor], name: str) -> tuple[int, ...]:
    """The shape of a tensor.

    Raises:
        ModelError: there is none of this name.
    """
    if name not in state:
        raise ModelError(f"missing: {name}")
    return tuple(state[name].shape)


def rename_keys(state: dict[str, Tensor], names: dict[str, str]) -> dict[str, Tensor]:
    """The tensors under our names, given theirs by ours without ".weight" and ".bias"; the rest keep their own.

    Mean shifts lose the two axes of their 1x1 kernel.
    """
    ours = {theirs: mine for mine, theirs in names.items()}
    result = {}
    for name, tensor in state.items():
        layer, _, kind = name.rpartition(".")
        result[f"{ours.get(layer, layer)}.{kind}"] = tensor
    for name in ("sub_mean.weight", "add_mean.weight"):
        if name in result and result[name].shape == (3, 3, 1, 1):
            result[name] = result[name][:, :, 0, 0]
    return result
