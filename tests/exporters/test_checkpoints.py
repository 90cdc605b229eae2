"""Other people's checkpoints at full size, with random weights, laid out and computed as their authors do."""

import re
import sys
import types
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.functional import conv2d, interpolate, leaky_relu, pixel_shuffle

from exporters.checkpoints.read import read_checkpoint
from exporters.to_onnx import main
from sr_infer.engine.session import shared
from sr_infer.errors import ModelError

State = dict[str, Tensor]

S70_DOWN = (4, 8)
S70_BLOCKS = (
    "16 16 12 20 16 20 20 16 16 20 16 20 20 16 20 16 20 20 20 16 20 20 16 20 16 20 16 20 20 16",
    "20 20 20 20 16 20 20 20 16 20 16 20 20 20 16 20 20 16 20 20 20 20 20 20 16 20 16 20 20 20",
)


class Weights:
    """A state dict that grows, with random values of a size that keeps features bounded."""

    def __init__(self, seed: int) -> None:
        self.state: State = {}
        self.generator = torch.Generator().manual_seed(seed)

    def convolution(self, name: str, outputs: int, inputs: int, size: int, *, bias: bool = True) -> None:
        weight = torch.randn(outputs, inputs, size, size, generator=self.generator)
        self.state[f"{name}.weight"] = weight * 0.6 / (size * inputs**0.5)
        if bias:
            self.state[f"{name}.bias"] = torch.randn(outputs, generator=self.generator)

    def mean_shift(self, name: str, sign: int) -> None:
        """As the optimiser left it: near the identity and the mean, but neither."""
        noise = torch.randn(3, 3, 1, 1, generator=self.generator)
        self.state[f"{name}.weight"] = torch.eye(3)[:, :, None, None] + 0.01 * noise
        self.state[f"{name}.bias"] = sign * torch.tensor([114.9, 111.2, 102.7])


def conv(state: State, name: str, x: Tensor, *, stride: int = 1) -> Tensor:
    weight = state[f"{name}.weight"]
    return conv2d(x, weight, state.get(f"{name}.bias"), stride=stride, padding=weight.shape[-1] // 2)


def picture(height: int = 6, width: int = 5) -> Tensor:
    return 255 * torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(9))


def assert_reads(path: Path, state: State, forward: Callable[[State, Tensor], Tensor], *, scale: int) -> None:
    """What the reader makes of a file computes what the authors' forward computes."""
    source = read_checkpoint(path)
    lr = picture() * (source.value_range / 255)
    with torch.no_grad():
        expected, found = forward(state, lr), source.network(lr)
    assert source.scale == scale
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4 * source.value_range)


def drn_state(
    *, blocks: int, features: int, down: tuple[int, ...], inner: tuple[list[int], ...], upsamplers: tuple[int, ...]
) -> State:
    weights, phase = Weights(1), len(down)
    weights.mean_shift("sub_mean", -1)
    weights.mean_shift("add_mean", 1)
    weights.convolution("head", features, 3, 3)
    for p in range(phase):
        weights.convolution(f"down.{p}.dual_module.0.0", down[p], features * 2**p, 3, bias=False)
        weights.convolution(f"down.{p}.dual_module.1", features * 2 ** (p + 1), down[p], 3, bias=False)
    weights.convolution("tail.0", 3, features * 2**phase, 3)
    for k in range(phase):
        trunk = features * 2 ** min(phase, phase + 1 - k)
        for b in range(blocks):
            name = f"up_blocks.{k}.{b}.body"
            weights.convolution(f"{name}.0", inner[k][b], trunk, 3)
            weights.convolution(f"{name}.2", trunk, inner[k][b], 3)
            weights.convolution(f"{name}.3.conv_du.0", trunk // 16, trunk, 1)
            weights.convolution(f"{name}.3.conv_du.2", trunk, trunk // 16, 1)
        weights.convolution(f"up_blocks.{k}.{blocks}.0", 4 * upsamplers[k], trunk, 3)
        weights.convolution(f"up_blocks.{k}.{blocks + 1}", features * 2 ** (phase - 1 - k), upsamplers[k], 1)
        weights.convolution(f"tail.{k + 1}", 3, features * 2 ** (phase - k), 3)
    return weights.state


def drn_forward(state: State, lr: Tensor) -> Tensor:
    phase = sum(re.fullmatch(r"down\.\d\.dual_module\.1\.weight", name) is not None for name in state)
    blocks = sum(re.fullmatch(r"up_blocks\.0\.\d+\.body\.0\.weight", name) is not None for name in state)
    x = interpolate(lr, scale_factor=2**phase, mode="bicubic", align_corners=False)
    x = conv(state, "head", conv(state, "sub_mean", x))
    copies = []
    for p in range(phase):
        copies.append(x)
        x = leaky_relu(conv(state, f"down.{p}.dual_module.0.0", x, stride=2), 0.2)
        x = conv(state, f"down.{p}.dual_module.1", x)
    for k in range(phase):
        for b in range(blocks):
            name = f"up_blocks.{k}.{b}.body"
            residual = conv(state, f"{name}.2", conv(state, f"{name}.0", x).relu())
            gate = conv(state, f"{name}.3.conv_du.0", residual.mean(dim=(2, 3), keepdim=True)).relu()
            x = x + residual * conv(state, f"{name}.3.conv_du.2", gate).sigmoid()
        x = pixel_shuffle(conv(state, f"up_blocks.{k}.{blocks}.0", x), 2)
        x = torch.cat((conv(state, f"up_blocks.{k}.{blocks + 1}", x), copies[phase - k - 1]), dim=1)
    return conv(state, "add_mean", conv(state, f"tail.{phase}", x))


def dense_drn(*, blocks: int, features: int, phase: int) -> State:
    trunks = [features * 2 ** min(phase, phase + 1 - k) for k in range(phase)]
    return drn_state(
        blocks=blocks,
        features=features,
        down=tuple(features * 2**p for p in range(phase)),
        inner=tuple([trunk] * blocks for trunk in trunks),
        upsamplers=tuple(trunks),
    )


@pytest.mark.parametrize(
    ("blocks", "features", "phase", "params"),
    [
        pytest.param(30, 16, 2, 4_804_065, id="DRNS4x"),
        pytest.param(40, 20, 2, 9_825_893, id="DRNL4x", marks=pytest.mark.slow),
        pytest.param(30, 8, 3, 5_403_000, id="DRNS8x"),
        pytest.param(36, 10, 3, 10_004_018, id="DRNL8x", marks=pytest.mark.slow),
    ],
)
def test_drn(tmp_path: Path, blocks: int, features: int, phase: int, params: int) -> None:
    state = dense_drn(blocks=blocks, features=features, phase=phase)
    assert sum(tensor.numel() for tensor in state.values()) == params
    torch.save(state, tmp_path / "model.pt")
    assert_reads(tmp_path / "model.pt", state, drn_forward, scale=2**phase)


def test_compressed_drn(tmp_path: Path) -> None:
    inner = tuple([int(width) for width in line.split()] for line in S70_BLOCKS)
    state = drn_state(blocks=30, features=16, down=S70_DOWN, inner=inner, upsamplers=(20, 20))
    assert sum(tensor.numel() for tensor in state.values()) == 1_427_545
    torch.save(state, tmp_path / "DRNS_4x_Prune_70.pt")
    assert_reads(tmp_path / "DRNS_4x_Prune_70.pt", state, drn_forward, scale=4)
    assert read_checkpoint(tmp_path / "DRNS_4x_Prune_70.pt").params == 1_427_545 - 24


def edsr_state(*, blocks: int, width: int, inner: int, tail: list[tuple[str, int, int]]) -> State:
    weights = Weights(2)
    weights.mean_shift("sub_mean", -1)
    weights.mean_shift("add_mean", 1)
    weights.convolution("head.0", width, 3, 3)
    for b in range(blocks):
        weights.convolution(f"body.{b}.body.0", inner, width, 3)
        weights.convolution(f"body.{b}.body.2", width, inner, 3)
    weights.convolution(f"body.{blocks}", width, width, 3)
    for name, outputs, inputs in tail:
        weights.convolution(name, outputs, inputs, 3)
    return weights.state


def edsr_tail(state: State, x: Tensor) -> Tensor:
    if "tail.1.weight" not in state:
        return pixel_shuffle(conv(state, "tail.0.0", x), round((state["tail.0.0.bias"].numel() / 3) ** 0.5))
    if "tail.0.2.weight" in state:
        x = pixel_shuffle(conv(state, "tail.0.2", pixel_shuffle(conv(state, "tail.0.0", x), 2)), 2)
    else:
        factor = round((state["tail.0.0.bias"].numel() / state["tail.1.weight"].shape[1]) ** 0.5)
        x = pixel_shuffle(conv(state, "tail.0.0", x), factor)
    return conv(state, "tail.1", x)


def edsr_forward(state: State, lr: Tensor, residual_scale: float = 1.0) -> Tensor:
    blocks = sum(re.fullmatch(r"body\.\d+\.body\.0\.weight", name) is not None for name in state)
    head = conv(state, "head.0", conv(state, "sub_mean", lr))
    x = head
    for b in range(blocks):
        x = x + residual_scale * conv(state, f"body.{b}.body.2", conv(state, f"body.{b}.body.0", x).relu())
    return conv(state, "add_mean", edsr_tail(state, head + conv(state, f"body.{blocks}", x)))


@pytest.mark.parametrize(
    ("width", "inner", "tail", "scale"),
    [
        (64, 64, [("tail.0.0", 256, 64), ("tail.1", 3, 64)], 2),
        (64, 64, [("tail.0.0", 576, 64), ("tail.1", 3, 64)], 3),
        (64, 64, [("tail.0.0", 256, 64), ("tail.0.2", 256, 64), ("tail.1", 3, 64)], 4),
        (44, 44, [("tail.0.0", 256, 44), ("tail.1", 3, 64)], 2),
        (45, 45, [("tail.0.0", 48, 45)], 4),
        (45, 40, [("tail.0.0", 12, 45)], 2),
    ],
    ids=["baseline-x2", "baseline-x3", "baseline-x4", "pruned-x2", "srpn-lite-x4", "srpn-lite-x2"],
)
def test_edsr(tmp_path: Path, width: int, inner: int, tail: list[tuple[str, int, int]], scale: int) -> None:
    state = edsr_state(blocks=16, width=width, inner=inner, tail=tail)
    torch.save(state, tmp_path / "edsr.pt")
    assert_reads(tmp_path / "edsr.pt", state, edsr_forward, scale=scale)


@pytest.mark.slow
def test_large_edsr_scales_its_residuals(tmp_path: Path) -> None:
    state = edsr_state(blocks=32, width=256, inner=256, tail=[("tail.0.0", 1024, 256), ("tail.1", 3, 256)])
    torch.save(state, tmp_path / "edsr_x2.pt")
    assert_reads(tmp_path / "edsr_x2.pt", state, lambda state, lr: edsr_forward(state, lr, 0.1), scale=2)


@pytest.fixture
def authors_package() -> types.ModuleType:
    """A package of the authors' that is there when they save, and gone when we read."""
    package = types.ModuleType("model_of_the_authors")

    class LEDSR(nn.Module):
        def __init__(self, state: State) -> None:
            super().__init__()
            self.options = {"scale": [4], "act": nn.ReLU(True)}
            self.kept = nn.Conv2d(3, 3, 1)
            for name, tensor in state.items():
                self.register_buffer(name.replace(".", "_"), tensor)

    LEDSR.__module__, LEDSR.__qualname__ = package.__name__, "LEDSR"
    package.LEDSR = LEDSR
    return package


@pytest.mark.parametrize(("form", "zipped"), [("SRP", True), ("SRP", False), ("ASSL", True)])
def test_pickled_module_is_read_without_its_package(
    tmp_path: Path, authors_package: types.ModuleType, form: str, zipped: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Zipped as torch does since 1.6, or not."""
    state = edsr_state(blocks=16, width=45, inner=45, tail=[("tail.0.0", 27, 45)])
    module = authors_package.LEDSR(state)
    path = tmp_path / "model_best.pt"
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, authors_package.__name__, authors_package)
        if form == "SRP":
            torch.save({"state_dict": state, "arch": module}, path, _use_new_zipfile_serialization=zipped)
        else:
            prefixed = {f"model.{name}": tensor for name, tensor in state.items()}
            torch.save({"pruned_wg": {"head": [1]}, "kept_wg": {}, "model": module, "state_dict": prefixed}, path)
    assert authors_package.__name__ not in sys.modules
    assert_reads(path, state, edsr_forward, scale=3)


class Burglar:
    """Pickles as a call that makes a file."""

    def __init__(self, target: str) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str, str]]:
        return open, (self.target, "w")


@pytest.mark.parametrize("zipped", [True, False])
def test_nothing_in_a_file_is_executed(tmp_path: Path, zipped: bool) -> None:
    state = edsr_state(blocks=1, width=8, inner=8, tail=[("tail.0.0", 12, 8)])
    trap = tmp_path / "trap"
    contents = {"state_dict": state, "arch": Burglar(str(trap))}
    torch.save(contents, tmp_path / "model.pt", _use_new_zipfile_serialization=zipped)
    assert_reads(tmp_path / "model.pt", state, edsr_forward, scale=2)
    assert not trap.exists()


def rir_state(width: int, tail: list[tuple[str, int, int]]) -> State:
    weights = Weights(3)
    weights.mean_shift("sub_mean", -1)
    weights.mean_shift("add_mean", 1)
    weights.convolution("head.0", width, 3, 3)
    for group in range(10):
        for block in range(20):
            weights.convolution(f"body.{group}.body.{block}.body.0", width, width, 3)
            weights.convolution(f"body.{group}.body.{block}.body.2", width, width, 3)
        weights.convolution(f"body.{group}.body.20", width, width, 3)
    weights.convolution("body.10", width, width, 3)
    for name, outputs, inputs in tail:
        weights.convolution(name, outputs, inputs, 3)
    return weights.state


def rir_forward(state: State, lr: Tensor) -> Tensor:
    head = conv(state, "head.0", conv(state, "sub_mean", lr))
    x = head
    for group in range(10):
        inner = x
        for block in range(20):
            name = f"body.{group}.body.{block}.body"
            inner = inner + conv(state, f"{name}.2", conv(state, f"{name}.0", inner).relu())
        x = x + conv(state, f"body.{group}.body.20", inner)
    return conv(state, "add_mean", edsr_tail(state, head + conv(state, "body.10", x)))


@pytest.mark.slow
def test_pruned_srpn(tmp_path: Path) -> None:
    state = rir_state(63, [("tail.0.0", 384, 63), ("tail.1", 3, 96)])
    torch.save({"state_dict": state}, tmp_path / "srpn.pt")
    assert_reads(tmp_path / "srpn.pt", state, rir_forward, scale=2)


def basicsr_edsr_forward(state: State, lr: Tensor) -> Tensor:
    mean = torch.tensor([0.4488, 0.4371, 0.4040])[:, None, None]
    head = conv(state, "conv_first", (lr / 255 - mean) * 255)
    x = head
    for b in range(16):
        x = x + conv(state, f"body.{b}.conv2", conv(state, f"body.{b}.conv1", x).relu())
    x = head + conv(state, "conv_after_body", x)
    for index in (0, 2):
        x = pixel_shuffle(conv(state, f"upsample.{index}", x), 2)
    return (conv(state, "conv_last", x) / 255 + mean) * 255


def test_basicsr_edsr(tmp_path: Path) -> None:
    weights = Weights(4)
    weights.convolution("conv_first", 64, 3, 3)
    for b in range(16):
        weights.convolution(f"body.{b}.conv1", 64, 64, 3)
        weights.convolution(f"body.{b}.conv2", 64, 64, 3)
    weights.convolution("conv_after_body", 64, 64, 3)
    weights.convolution("upsample.0", 256, 64, 3)
    weights.convolution("upsample.2", 256, 64, 3)
    weights.convolution("conv_last", 3, 64, 3)
    torch.save({"params": weights.state}, tmp_path / "EDSR_Mx4.pth")
    assert_reads(tmp_path / "EDSR_Mx4.pth", weights.state, basicsr_edsr_forward, scale=4)


def msrresnet_forward(state: State, lr: Tensor) -> Tensor:
    x = leaky_relu(conv(state, "conv_first", lr), 0.1)
    for b in range(16):
        x = x + conv(state, f"body.{b}.conv2", conv(state, f"body.{b}.conv1", x).relu())
    for name in ("upconv1", "upconv2"):
        x = leaky_relu(pixel_shuffle(conv(state, name, x), 2), 0.1)
    x = conv(state, "conv_last", leaky_relu(conv(state, "conv_hr", x), 0.1))
    return x + interpolate(lr, scale_factor=4, mode="bilinear", align_corners=False)


def test_msrresnet(tmp_path: Path) -> None:
    weights = Weights(5)
    weights.convolution("conv_first", 64, 3, 3)
    for b in range(16):
        weights.convolution(f"body.{b}.conv1", 64, 64, 3)
        weights.convolution(f"body.{b}.conv2", 64, 64, 3)
    weights.convolution("upconv1", 256, 64, 3)
    weights.convolution("upconv2", 256, 64, 3)
    weights.convolution("conv_hr", 64, 64, 3)
    weights.convolution("conv_last", 3, 64, 3)
    other = {name: torch.zeros_like(tensor) for name, tensor in weights.state.items()}
    torch.save({"params": other, "params_ema": weights.state}, tmp_path / "MSRResNet_x4.pth")
    assert_reads(tmp_path / "MSRResNet_x4.pth", weights.state, msrresnet_forward, scale=4)
    save_file(weights.state, tmp_path / "MSRResNet_x4.safetensors")
    assert_reads(tmp_path / "MSRResNet_x4.safetensors", weights.state, msrresnet_forward, scale=4)


def with_ones(x: Tensor) -> Tensor:
    return torch.cat((torch.ones_like(x[:, :1]), x), dim=1)


def student_state(prefix: str, *, simple_tail: bool) -> State:
    weights = Weights(6)
    for index in range(34):
        weights.convolution(f"{prefix}{index}.conv", 64, 65 if index else 4, 3, bias=False)
    if simple_tail:
        weights.convolution(f"{prefix}34.conv", 48, 65, 1, bias=False)
    else:
        weights.convolution(f"{prefix}34.tail.0.0", 256, 65, 3)
        weights.convolution(f"{prefix}34.tail.0.2", 256, 64, 3)
        weights.convolution(f"{prefix}34.tail.1", 3, 64, 3)
    weights.mean_shift(f"{prefix}34.add_mean", 1)
    return weights.state


def student_forward(state: State, lr: Tensor) -> Tensor:
    prefix = next(iter(state)).removesuffix("0.conv.weight")
    x = lr
    for index in range(34):
        x = conv(state, f"{prefix}{index}.conv", with_ones(x))
        if index in range(1, 32, 2):
            x = x.relu()
    if f"{prefix}34.conv.weight" in state:
        x = pixel_shuffle(conv(state, f"{prefix}34.conv", with_ones(x)), 4)
    else:
        x = pixel_shuffle(conv(state, f"{prefix}34.tail.0.0", with_ones(x)), 2)
        x = conv(state, f"{prefix}34.tail.1", pixel_shuffle(conv(state, f"{prefix}34.tail.0.2", x), 2))
    return conv(state, f"{prefix}34.add_mean", x)


@pytest.mark.parametrize("prefix", ["plain_model.", "plain_model.sequential_models."])
@pytest.mark.parametrize("simple_tail", [True, False])
def test_memsr_student(tmp_path: Path, prefix: str, simple_tail: bool) -> None:
    state = student_state(prefix, simple_tail=simple_tail)
    extra = {"teacher.something.weight": torch.ones(2), "bridges.0.weight": torch.ones(3)}
    hyper = {"num_epochs": 1}
    torch.save({"state_dict": state | extra, "hyper_parameters": hyper, "epoch": 1}, tmp_path / "student.ckpt")
    assert_reads(tmp_path / "student.ckpt", state, student_forward, scale=4)


def teacher_forward(state: State, lr: Tensor) -> Tensor:
    outer, body = "model.sequential_models.", "model.sequential_models.1.sequential_models."
    head = conv(state, f"{outer}0.conv", conv(state, f"{outer}0.sub_mean", lr))
    x = head
    for block in range(16):
        name = f"{body}{block}.sequential_models"
        x = x + conv(state, f"{name}.1.conv", with_ones(conv(state, f"{name}.0.conv", with_ones(x)).relu()))
    x = head + conv(state, f"{body}16.conv", with_ones(x))
    return conv(state, f"{outer}2.add_mean", pixel_shuffle(conv(state, f"{outer}2.conv", x), 4))


def test_memsr_teacher(tmp_path: Path) -> None:
    weights, outer = Weights(7), "model.sequential_models."
    weights.mean_shift(f"{outer}0.sub_mean", -1)
    weights.convolution(f"{outer}0.conv", 64, 3, 3)
    for block in range(16):
        for index in (0, 1):
            name = f"{outer}1.sequential_models.{block}.sequential_models.{index}.conv"
            weights.convolution(name, 64, 65, 3, bias=False)
    weights.convolution(f"{outer}1.sequential_models.16.conv", 64, 65, 3, bias=False)
    weights.convolution(f"{outer}2.conv", 48, 64, 1)
    weights.mean_shift(f"{outer}2.add_mean", 1)
    assert sum(tensor.numel() for tensor in weights.state.values()) == 1_240_456
    torch.save({"state_dict": weights.state}, tmp_path / "teacherx4.ckpt")
    assert_reads(tmp_path / "teacherx4.ckpt", weights.state, teacher_forward, scale=4)


def test_student_goes_through_the_command(tmp_path: Path) -> None:
    prefix, weights = "plain_model.", Weights(8)
    for index, inputs in enumerate((4, 9, 9, 9)):
        weights.convolution(f"{prefix}{index}.conv", 8, inputs, 3, bias=False)
    weights.convolution(f"{prefix}4.conv", 12, 9, 1, bias=False)
    weights.mean_shift(f"{prefix}4.add_mean", 1)
    torch.save({"state_dict": weights.state}, tmp_path / "student.ckpt")
    assert main([str(tmp_path / "student.ckpt"), "--output", str(tmp_path / "student.onnx")]) == 0
    session = shared(tmp_path / "student.onnx")
    network = read_checkpoint(tmp_path / "student.ckpt").network
    lr = picture(1, 3)
    with torch.no_grad():
        expected = network(lr) / 255
    torch.testing.assert_close(torch.from_numpy(session.run((lr / 255).numpy())), expected, rtol=0, atol=1e-4)
    assert session.card.halo_px == 4
    assert "MemSR" in session.card.trained_on


def test_missing_unexpected_and_misshapen_tensors_are_named(tmp_path: Path) -> None:
    state = edsr_state(blocks=2, width=8, inner=8, tail=[("tail.0.0", 12, 8)])
    del state["body.1.body.2.bias"]
    state["body.0.body.2.weight"] = torch.zeros(8, 7, 3, 3)
    state["surprise.weight"] = torch.zeros(1)
    torch.save(state, tmp_path / "edsr.pt")
    with pytest.raises(ModelError) as caught:
        read_checkpoint(tmp_path / "edsr.pt")
    message = str(caught.value)
    assert "missing: body.1.conv2.bias" in message
    assert "unexpected: surprise.weight" in message
    assert "misshapen: body.0.conv2.weight (8, 7, 3, 3) instead of (8, 8, 3, 3)" in message


def test_tensors_without_the_axes_of_a_kernel(tmp_path: Path) -> None:
    state = {
        "head.0.weight": torch.zeros(8, 3, 3, 3),
        "body.0.body.0.weight": torch.zeros(()),
        "tail.0.0.weight": torch.zeros(12, 8, 3, 3),
    }
    torch.save(state, tmp_path / "edsr.pt")
    with pytest.raises(ModelError, match=r"edsr\.pt: its tensors do not fit together"):
        read_checkpoint(tmp_path / "edsr.pt")


def test_dual_networks_are_refused_with_advice(tmp_path: Path) -> None:
    one = {"dual_module.0.0.weight": torch.zeros(16, 3, 3, 3), "dual_module.1.weight": torch.zeros(3, 16, 3, 3)}
    torch.save([one, one], tmp_path / "dual_model_best.pt")
    with pytest.raises(ModelError, match=r"a list of 2 networks.*pass the file of the primal network"):
        read_checkpoint(tmp_path / "dual_model_best.pt")


def test_unknown_layout_and_broken_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({"backbone.0.weight": torch.zeros(3)}, tmp_path / "other.pth")
    (tmp_path / "broken.pt").write_bytes(b"PK\x03\x04 not a checkpoint")
    (tmp_path / "text.pt").write_text("hello")
    (tmp_path / "text.safetensors").write_text("hello")
    for name, says in (
        ("other.pth", "no known layout begins with backbone.0.weight"),
        ("broken.pt", "is not a checkpoint that torch or safetensors wrote"),
        ("text.pt", "is not a checkpoint that torch or safetensors wrote"),
        ("text.safetensors", "is not a checkpoint that torch or safetensors wrote"),
    ):
        assert main([str(tmp_path / name), "--output", str(tmp_path / "x.onnx")]) == 2
        error = capsys.readouterr().err
        assert says in error
        assert error.count("\n") == 1
    assert not (tmp_path / "x.onnx").exists()
