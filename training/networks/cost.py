"""Parameters and multiply-accumulates, under the conventions that the papers use."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from training.networks.blocks import MeanShift


def count_parameters(network: nn.Module, *, mean_shift: bool) -> int:
    """Numbers in the network. DRN's papers count the 24 of its two mean shifts, EDSR's and SRP's do not."""
    left_out = sum(p.numel() for m in network.modules() if isinstance(m, MeanShift) for p in m.parameters())
    return sum(p.numel() for p in network.parameters()) - (0 if mean_shift else left_out)


def count_macs(
    network: nn.Module, lr_size_hw: tuple[int, int], *, bias: bool, forward: Callable[[Tensor], object] | None = None
) -> int:
    """Multiply-accumulates of all convolutions for one LR picture of this size.

    Args:
        network: any of ours; its mean shifts and interpolations are not counted.
        lr_size_hw: height and width of the LR picture in pixels.
        bias: whether a bias counts as one more, as in DRN's paper.
        forward: what is run; the network by default. DRN's paper counts `DRN.pyramid`, the images of all resolutions.
    """
    total = 0

    def count(layer: nn.Conv2d, _: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        per_output = layer.weight[0].numel() + (bias and layer.bias is not None)
        total += output[0].numel() * per_output

    hooks = [m.register_forward_hook(count) for m in network.modules() if isinstance(m, nn.Conv2d)]
    with torch.no_grad(), FakeTensorMode(allow_non_fake_inputs=True):
        (forward or network)(torch.empty(1, 3, *lr_size_hw, device=next(network.parameters()).device))
    for hook in hooks:
        hook.remove()
    return total
