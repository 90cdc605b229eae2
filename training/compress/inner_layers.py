"""Inner layers: channels that one convolution writes and one other reads, and nothing else. DRN's compression narrows
these: inside a step down, inside an attention block, after an upsampler's PixelShuffle. Trunks, tails and the attention
itself keep their width.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sr_infer.errors import OptionError
from training.compress.channel_groups import ChannelGroups, trace_channel_groups
from training.compress.remove_channels import remove_channels
from training.networks import Network
from training.networks.blocks import convolution_of


@dataclass(frozen=True)
class InnerLayer:
    """Module names of the convolutions on both sides, and the channels between them."""

    writer: str
    reader: str
    channels: tuple[int, ...]
    """Numbers of the channels between them, in the order of the reader's inputs."""
    filters_per_channel: int
    """Of the writer: 4 in front of a PixelShuffle of 2, else 1."""

    @property
    def width(self) -> int:
        return len(self.channels)


@dataclass(frozen=True)
class InnerLayers:
    """A network's inner layers in the order of its graph: for DRN the order of the authors' width files."""

    channel_groups: ChannelGroups
    layers: tuple[InnerLayer, ...]

    @property
    def widths(self) -> tuple[int, ...]:
        return tuple(layer.width for layer in self.layers)

    def narrowed(self, network: Network, kept: Sequence[Sequence[int]]) -> Network:
        """A new network with these channels of each layer, by their index among the reader's inputs."""
        removed = set()
        for layer, indices in zip(self.layers, kept, strict=True):
            removed |= set(layer.channels) - {layer.channels[index] for index in indices}
        return remove_channels(network, self.channel_groups, removed)


def find_inner_layers(network: Network) -> InnerLayers:
    """
    Raises:
        OptionError: the network has none, or its graph cannot be followed.
    """
    channel_groups = trace_channel_groups(network, upsamplers=True)
    layers = []
    for group in channel_groups.groups:
        readers = [name for name, read in channel_groups.inputs.items() if set(read.tolist()) & set(group.channels)]
        if group.is_tied or len(readers) != 1 or max(convolution_of(network, group.layers[0]).kernel_size) == 1:
            continue
        read = tuple(channel_groups.inputs[readers[0]].tolist())
        if set(read) == set(group.channels):
            filters = len(channel_groups.outputs[group.layers[0]])
            layers.append(InnerLayer(group.layers[0], readers[0], read, filters // len(read)))
    if not layers:
        raise OptionError(f"{type(network).__name__} has no layer between two convolutions alone; nothing to narrow")
    return InnerLayers(channel_groups, tuple(layers))
