"""Channel selection without gradients, from a layer's inputs and outputs at sampled places: ThiNet and CP."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from training.networks import Network
from training.networks.blocks import convolution_of

PLACES_PER_PICTURE = 40
LASSO_HALVINGS = 40
LASSO_SWEEPS = 200
RIDGE = 1e-6
"""Ridge added to the diagonal before solving, as a share of its mean."""


@dataclass(frozen=True)
class LayerSamples:
    """Samples of one convolution, in float64 on the CPU."""

    read: Tensor
    """Its inputs in the pruned network, (places, channels, kernel size)."""
    wanted: Tensor
    """Its outputs in the dense network without the bias, (places, filters)."""
    weight: Tensor
    """(filters, channels, kernel size)."""

    @property
    def shares(self) -> Tensor:
        """The share of each input channel in each output, (places x filters, channels)."""
        return torch.einsum("pck,fck->pfc", self.read, self.weight).flatten(0, 1)


@torch.no_grad()
def sample_layer(
    dense: Network, pruned: Network, reader: str, batches: Sequence[Sequence[Tensor]], seed: int
) -> LayerSamples:
    """Run both networks on the batches and sample `reader` at the same random places of each picture."""
    generator = torch.Generator().manual_seed(seed)
    layer, dense_layer = convolution_of(pruned, reader), convolution_of(dense, reader)
    read, wanted = [], []
    for pyramid in batches:
        seen, given = _seen_by(pruned, reader, pyramid[0])[0], _seen_by(dense, reader, pyramid[0])[1]
        picture = torch.arange(len(given)).repeat_interleave(PLACES_PER_PICTURE)
        row, column = (torch.randint(side, (len(picture),), generator=generator) for side in given.shape[2:])
        read.append(_windows(layer, seen, picture, row, column))
        bias = 0 if dense_layer.bias is None else dense_layer.bias
        wanted.append((given.movedim(1, 3)[picture, row, column] - bias).double().cpu())
    return LayerSamples(torch.cat(read), torch.cat(wanted), layer.weight.flatten(2).double().cpu())


def thinet(samples: LayerSamples, width: int) -> tuple[list[int], Tensor]:
    """Remove, one at a time, the channel without which the sum of all removed shares stays smallest; then scale the
    channels that are left by least squares (Luo et al., ICCV 2017).

    Returns:
        The channels that are left, and the weights, (filters, channels, kernel size), 0 where removed.
    """
    shares = samples.shares
    gram = shares.T @ shares
    removed: list[int] = []
    left = list(range(len(gram)))
    while len(left) > width:
        errors = gram.diagonal()[left] + 2 * gram[left][:, removed].sum(dim=1)
        removed.append(left.pop(int(errors.argmin())))
    scales = _solve(gram[left][:, left], shares[:, left].T @ samples.wanted.flatten())
    weight = torch.zeros_like(samples.weight)
    weight[:, left] = samples.weight[:, left] * scales[:, None]
    return left, weight


def lasso(samples: LayerSamples, width: int) -> tuple[list[int], Tensor]:
    """Choose channels by the LASSO on their shares, with the least penalty that leaves no more than `width`; then fit
    the weights of those by least squares (CP: He et al., ICCV 2017). Returns what `thinet` does.
    """
    shares = samples.shares
    gram, target = shares.T @ shares, shares.T @ samples.wanted.flatten()
    low, high = 0.0, float(target.abs().max())
    factors = torch.zeros(len(gram), dtype=torch.float64)
    for _ in range(LASSO_HALVINGS):
        middle = (low + high) / 2
        tried = _coordinate_descent(gram, target, middle)
        if tried.count_nonzero() > width:
            low = middle
        else:
            high, factors = middle, tried
    ranked = factors.abs() + 1e-9 * target.abs() / target.abs().max()
    left = sorted(ranked.topk(width).indices.tolist())
    inputs = samples.read[:, left].flatten(1)
    weight = torch.zeros_like(samples.weight)
    fitted = _solve(inputs.T @ inputs, inputs.T @ samples.wanted)
    weight[:, left] = fitted.T.view(len(weight), len(left), -1)
    return left, weight


def _coordinate_descent(gram: Tensor, target: Tensor, penalty: float) -> Tensor:
    """`argmin_b 0.5 |y - Z b|^2 + penalty |b|_1` from `gram = Z^T Z` and `target = Z^T y`."""
    table, right = gram.numpy(), target.numpy()
    factors = np.zeros(len(right))
    for _ in range(LASSO_SWEEPS):
        before = factors.copy()
        for index in range(len(right)):
            rest = right[index] - table[index] @ factors + table[index, index] * factors[index]
            shrunk = np.sign(rest) * max(abs(rest) - penalty, 0)
            factors[index] = shrunk / table[index, index] if table[index, index] > 0 else 0
        if np.abs(factors - before).max() < 1e-5:
            break
    return torch.from_numpy(factors)


def _solve(gram: Tensor, target: Tensor) -> Tensor:
    ridge = RIDGE * gram.diagonal().mean().clamp(min=1e-12)
    return torch.linalg.solve(gram + ridge * torch.eye(len(gram), dtype=gram.dtype), target)


def _seen_by(network: Network, layer: str, lr: Tensor) -> tuple[Tensor, Tensor]:
    """Input and output of this layer."""
    seen: list[Tensor] = []
    hook = network.get_submodule(layer).register_forward_hook(lambda _, inputs, given: seen.extend((inputs[0], given)))
    network(lr)
    hook.remove()
    return seen[0].float(), seen[1].float()


def _windows(layer: nn.Conv2d, seen: Tensor, picture: Tensor, row: Tensor, column: Tensor) -> Tensor:
    """The inputs under the kernel at these output places, (places, channels, kernel size)."""
    taps = torch.arange(layer.kernel_size[0])
    rows = (row * layer.stride[0])[:, None, None] + taps[:, None]
    columns = (column * layer.stride[0])[:, None, None] + taps
    padded = pad(seen, (int(layer.padding[0]),) * 4).movedim(1, 3)
    return padded[picture[:, None, None], rows, columns].flatten(1, 2).movedim(1, 2).double().cpu()
