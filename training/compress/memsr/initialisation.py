"""MemSR's winning initialisation (alg. 1): a narrow plain network that begins close to its residual teacher.

Layer by layer, a bridge maps the student's features g to the teacher's features f, f ~ M g + b. The paper
takes for M the principal directions of f on real patches, shifts g so far that ReLU leaves nearly all of it alone, and
gets the student's kernel by least squares from the teacher's:

    M X = W' - b    for W' = the teacher's kernel behind the bridge in front of it, all on [ones, g]

whose solution is X = M^T (W' - b), since the columns of M are orthonormal.

Two settings depart from it, both towards a student that is closer to its teacher before any training:

- `directions = "rectified"`: channels that pass through ReLU in the teacher keep their axes, up to half of the
  student's width, so that ReLU acts on them as in the teacher. Only carried channels are turned into principal
  directions and shifted.
- `bridges = "fitted"`: M and b are fitted to the student's actual features, which include the errors of earlier layers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from sr_infer.errors import OptionError
from training.compress.memsr.conversion import assemble, rectified_channels, teacher_features, teacher_layers
from training.compress.memsr.widths import Student, numerical_rank
from training.networks import EDSR, OnesPlain, Plain
from training.networks.convolution_algebra import Convolution, identity, keeping_ones, sequential, stacked, with_ones

PATCHES_AT_ONCE = 8
RIDGE = 1e-6
"""Ridge added to every variance when bridges are fitted, as a share of the mean variance."""


@dataclass(frozen=True, kw_only=True)
class Initialisation:
    """The table `[initialisation]`; the defaults are the paper's, but for the channel of ones.

    Raises:
        OptionError: a value is unknown or out of range.
    """

    patches: int = 16
    """Patches of the training's size that the teacher's features are sampled from."""
    directions: Literal["principal", "rectified"] = "principal"
    bridges: Literal["directions", "fitted"] = "directions"
    shift: float = 3.0
    """How far below their mean ReLU cuts features, in means of their negative values; 0 cuts at the mean."""
    ones: bool = True
    """Whether each layer keeps a channel of ones, so that the student is trained around centred features and is exact
    on the border. Otherwise it is trained as convolution, bias and ReLU, and kernels on the ones become biases."""
    tail: bool = True
    """Whether the tail begins as the teacher's (table 10)."""

    def __post_init__(self) -> None:
        if self.directions not in ("principal", "rectified"):
            raise OptionError(f'directions is "principal" or "rectified", not {self.directions!r}')
        if self.bridges not in ("directions", "fitted"):
            raise OptionError(f'bridges is "directions" or "fitted", not {self.bridges!r}')
        if self.patches < 1 or self.shift < 0:
            raise OptionError(f"patches must be positive and shift not negative, got {self.patches}, {self.shift}")


@dataclass(frozen=True)
class InitialStudent:
    """A student before its training."""

    network: OnesPlain
    bridges: list[Convolution]
    """Pointwise, from the features of each layer to the teacher's of that layer."""
    relative_errors: list[float]
    """Of each layer: ||f - (M h + b)|| / ||f - mean f|| on the patches that it was made from."""

    def collapsed(self) -> tuple[Plain, list[Convolution]]:
        """The student as convolution, bias and ReLU without a channel of ones, and bridges from its features."""
        floors = self.network.floors()
        centring = [Convolution(identity(len(floor)).weight, -floor) for floor in floors]
        return self.network.collapsed(), list(map(sequential, centring, self.bridges))


@torch.no_grad()
def winning_initialisation(
    teacher: EDSR, patches: Tensor, student: Student, settings: Initialisation, *, seed: int = 1
) -> InitialStudent:
    """A student as deep as the converted teacher.

    Channels beyond the teacher's directions begin with random kernels. Nothing reads them unless bridges are fitted;
    then they help from the start. The last layer of a student with widths by theta is as wide as the teacher, as in the
    reference code.

    Memory grows with the patches and one layer's features, not with the depth.

    Args:
        teacher: see `memsr_conversion.check_teacher`.
        patches: (N, 3, h, w) LR in the teacher's range.
        student: its widths and activation.
        settings: how.
        seed: of random kernels.
    """
    generator = torch.Generator().manual_seed(seed)
    batches = patches.split(PATCHES_AT_ONCE)
    *layers, tail = teacher_layers(teacher)
    read_by = [layer.weight[:, 1:] for layer in layers[1:]]
    rectified = rectified_channels(teacher)
    last = len(layers) - 1
    kernels: list[Convolution] = []
    floors: list[Tensor] = []
    bridges: list[Convolution] = []
    errors: list[float] = []
    student_features = [teacher.sub_mean(lr) for lr in batches]
    for index, features in enumerate(zip(*(teacher_features(teacher, lr) for lr in batches), strict=True)):
        mean, covariance = _moments(features)
        width = student.width_of(_variances(covariance), extra=settings.ones)
        if index == last and student.theta:
            width = student.rounded(teacher.config.width)
        channels = width - settings.ones
        is_kept = settings.directions == "rectified" and rectified[index] > 0
        readers = read_by[index][:, : rectified[index]] if is_kept else None
        rows, offset, floor = _directions(features, mean, covariance, readers, channels, settings.shift)
        floors.append(nn.functional.pad(floor, (0, channels - len(rows))))
        kernel = _behind(bridges[-1], layers[index]) if bridges else layers[index]
        kernel = sequential(keeping_ones(kernel), with_ones(_pointwise(rows, offset, kernel)))
        kernel = _with_spare_channels(kernel, channels - kernel.outputs, generator)
        student_features = [_apply(kernel, h) for h in student_features]
        if student.activation == "every" or (index % 2 == 1 and index < last):
            student_features = [torch.maximum(h, -floors[-1].to(h.dtype)[:, None, None]) for h in student_features]
        if settings.bridges == "fitted":
            matrix, bias = _fitted_bridge(features, student_features)
        else:
            matrix, bias = nn.functional.pad(rows.T, (0, channels - len(rows))), mean - rows.T @ (rows @ mean + offset)
        bridges.append(_pointwise(matrix, bias, kernel))
        kernels.append(kernel)
        errors.append(_relative_error(bridges[-1], features, student_features, covariance))
    kernels.append(_behind(bridges[-1], tail))
    if not settings.tail:
        kernels[-1] = _random(tail.outputs, kernels[-1], generator)
    return InitialStudent(assemble(teacher, kernels, floors, student.activation), bridges, errors)


@torch.no_grad()
def with_fitted_bridges(network: OnesPlain, teacher: EDSR, patches: Tensor) -> InitialStudent:
    """A student of this teacher's depth that was trained before, with bridges fitted to the features that it has."""
    bridges, errors = list[Convolution](), list[float]()
    batches = patches.split(PATCHES_AT_ONCE)
    of_student = zip(*(network.features(lr) for lr in batches), strict=True)
    of_teacher = zip(*(teacher_features(teacher, lr) for lr in batches), strict=True)
    for student_features, features in zip(of_student, of_teacher, strict=True):
        matrix, bias = _fitted_bridge(features, student_features)
        bridges.append(Convolution(matrix.to(patches.dtype)[:, :, None, None], bias.to(patches.dtype)))
        errors.append(_relative_error(bridges[-1], features, student_features, _moments(features)[1]))
    return InitialStudent(network, bridges, errors)


def _directions(
    features: Sequence[Tensor], mean: Tensor, covariance: Tensor, readers: Tensor | None, channels: int, shift: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Rows (r, inputs) that make a student's channels of the teacher's features, their offset and their floor.

    Args:
        features: of the teacher in one layer.
        mean: of these.
        covariance: of these.
        readers: kernels of the next layer on the rectified channels, if these keep their axes.
        channels: largest number of rows.
        shift: see `Initialisation`.
    """
    if readers is None:
        rows, kept = _principal(covariance, channels), 0
    else:
        rows, kept = _keeping_axes(covariance, readers, channels)
    rows[kept:] *= _skew_signs(features, rows[kept:], mean)[:, None]
    offset = -rows @ mean
    offset[:kept] = 0
    floor = shift * _mean_negative(features, rows, offset)
    floor[:kept] = 0
    return rows, offset, floor


def _moments(features: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Mean and covariance of the channels in float64, summed batch by batch."""
    samples, total, squares = 0, torch.zeros((), dtype=torch.float64), torch.zeros((), dtype=torch.float64)
    for batch in features:
        matrix = _as_matrix(batch)
        samples += matrix.shape[1]
        total = total + matrix.sum(dim=1)
        squares = squares + matrix @ matrix.T
    mean = total / samples
    return mean, squares / samples - mean[:, None] * mean


def _variances(covariance: Tensor) -> Tensor:
    return torch.linalg.eigvalsh(covariance).flip(0).clamp(min=0)


def _principal(covariance: Tensor, most: int) -> Tensor:
    """At most `most` principal directions as orthonormal rows, (r, channels)."""
    variances, columns = torch.linalg.eigh(covariance)
    rank = min(most, numerical_rank(variances.flip(0).clamp(min=0)))
    return columns.flip(1)[:, :rank].T.clone()


def _keeping_axes(covariance: Tensor, readers: Tensor, most: int) -> tuple[Tensor, int]:
    """Rows that keep rectified channels and turn the carried ones, orthonormal, and how many are kept.

    The channels kept are those that move the next layer most: variance times the energy of the kernels reading them.
    """
    count = readers.shape[1]
    carried = _principal(covariance[count:, count:], max(most - count, most - most // 2))
    kept = min(count, most - len(carried))
    importance = covariance.diagonal()[:count] * readers.double().square().sum(dim=(0, 2, 3))
    chosen = importance.argsort(descending=True)[:kept].sort().values
    axes = torch.eye(len(covariance), dtype=covariance.dtype)[chosen]
    return torch.cat((axes, nn.functional.pad(carried, (count, 0)))), kept


def _skew_signs(features: Sequence[Tensor], rows: Tensor, mean: Tensor) -> Tensor:
    """1 or -1 for each row, so that the features along it have positive skew.

    An eigenvector has no sign of its own, but ReLU cuts one side only: the side with the longer tail stays.
    """
    cubes = torch.zeros(len(rows), dtype=rows.dtype)
    for batch in features:
        cubes += (rows @ (_as_matrix(batch) - mean[:, None])).pow(3).sum(dim=1)
    return torch.where(cubes < 0, -1.0, 1.0).to(rows.dtype)


def _mean_negative(features: Sequence[Tensor], rows: Tensor, offset: Tensor) -> Tensor:
    """The mean magnitude of the negative ones among `rows @ features + offset`, for each row."""
    total, negatives = torch.zeros_like(offset), torch.zeros_like(offset)
    for batch in features:
        values = rows @ _as_matrix(batch) + offset[:, None]
        total -= values.clamp(max=0).sum(dim=1)
        negatives += (values < 0).sum(dim=1)
    return total / negatives.clamp(min=1)


def _fitted_bridge(features: Sequence[Tensor], student_features: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """M and b with the least ||M g + b - f|| on the patches, and a slight penalty on M."""
    count = student_features[0].shape[1]
    mean, covariance = _moments([torch.cat((g, f), dim=1) for g, f in zip(student_features, features, strict=True)])
    own = covariance[:count, :count]
    own += RIDGE * own.diagonal().mean() * torch.eye(count, dtype=own.dtype)
    matrix = torch.linalg.solve(own, covariance[:count, count:]).T
    return matrix, mean[count:] - matrix @ mean[:count]


def _behind(bridge: Convolution, layer: Convolution) -> Convolution:
    """A teacher's layer as a kernel on ones and the student's features."""
    return sequential(keeping_ones(with_ones(bridge)), layer)


def _with_spare_channels(kernel: Convolution, spare: int, generator: torch.Generator) -> Convolution:
    if spare == 0:
        return kernel
    return stacked(kernel, _random(spare, kernel, generator))


def _random(outputs: int, like: Convolution, generator: torch.Generator) -> Convolution:
    """Filters with He's random weights on the features and zeros on the ones."""
    weight = torch.randn(outputs, *like.weight.shape[1:], generator=generator)
    weight *= (2 / like.weight[0, 1:].numel()) ** 0.5
    weight[:, 0] = 0
    return Convolution(weight.to(like.weight.dtype), torch.zeros(outputs, dtype=like.bias.dtype))


def _apply(kernel: Convolution, x: Tensor) -> Tensor:
    """A kernel on ones and features, applied to (N, features, H, W)."""
    return kernel(torch.cat((torch.ones_like(x[:, :1]), x), dim=1))


def _relative_error(
    bridge: Convolution, features: Sequence[Tensor], student: Sequence[Tensor], covariance: Tensor
) -> float:
    squares = sum((bridge(g) - f).double().square().sum() for f, g in zip(features, student, strict=True))
    samples = sum(f.numel() // f.shape[1] for f in features)
    return float((squares / samples / covariance.trace()).sqrt())


def _as_matrix(features: Tensor) -> Tensor:
    """(N, C, H, W) as (C, samples) in float64."""
    return features.transpose(0, 1).flatten(1).double()


def _pointwise(matrix: Tensor, bias: Tensor, like: Convolution) -> Convolution:
    dtype = like.weight.dtype
    return Convolution(matrix.to(dtype)[:, :, None, None].contiguous(), bias.to(dtype))
