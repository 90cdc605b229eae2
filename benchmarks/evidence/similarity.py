"""Linear CKA, a similarity of the features of two networks with any widths."""

import torch
from torch import Tensor


@torch.no_grad()
def linear_cka(one: Tensor, other: Tensor) -> float:
    """Compute centred kernel alignment with the linear kernel, 0 .. 1 (Kornblith et al., ICML 2019, section 3).

        ||X^T Y||^2 / (||X^T X|| ||Y^T Y||)   in the Frobenius norm; X and Y are centred, with one row per pixel

    Args:
        one: features, (N, C, H, W).
        other: features of the same images, (N, D, H, W).
    """
    x, y = (_centre(features) for features in (one, other))
    return float((x.T @ y).square().sum() / ((x.T @ x).norm() * (y.T @ y).norm()))


def _centre(features: Tensor) -> Tensor:
    samples = features.transpose(0, 1).flatten(1).T.double()
    return samples - samples.mean(dim=0)
