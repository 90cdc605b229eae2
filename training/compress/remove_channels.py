"""Remove filters from a network; the result is an ordinary network of the same architecture."""

from collections.abc import Iterable

import torch

from sr_infer.errors import OptionError
from training.compress.channel_groups import ChannelGroups
from training.networks import Network


def remove_channels(network: Network, channel_groups: ChannelGroups, removed: Iterable[int]) -> Network:
    """A new network without the filters that write `removed` and without the inputs that read them.

    It computes what `network` does with those filters and their biases at zero.

    Args:
        network: any of ours.
        channel_groups: of this network.
        removed: channels of `channel_groups`.

    Raises:
        OptionError: the architecture's configuration cannot express the remaining widths.
    """
    gone = torch.tensor(sorted(removed), dtype=torch.long)
    tensors = network.state_dict()
    for layer, written in channel_groups.outputs.items():
        rows = torch.isin(written, gone, invert=True)
        columns = torch.isin(channel_groups.inputs[layer], gone, invert=True)
        weight = tensors[f"{layer}.weight"]
        tensors[f"{layer}.weight"] = weight[rows.to(weight.device)][:, columns.to(weight.device)]
        if f"{layer}.bias" in tensors:
            tensors[f"{layer}.bias"] = tensors[f"{layer}.bias"][rows.to(weight.device)]
    config = network.config.with_widths_of({name: value.shape for name, value in tensors.items()})
    narrow = type(network)(config)  # type: ignore[arg-type]
    try:
        narrow.load_state_dict(tensors)
    except RuntimeError as error:
        raise OptionError(f"{type(config).__name__} cannot say the widths that are left; {error}") from error
    return narrow
