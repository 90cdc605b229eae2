"""Every pass leaves the function as it was, on the outer pixels and at sizes from 1x1, or refuses."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import helper, numpy_helper
from torch import Tensor, nn

from exporters.graph import Graph, Rewrite
from exporters.graph_analysis import halo_px
from exporters.passes.align_channels import align_channels
from exporters.passes.apply import FLOAT, Pass, apply_passes
from exporters.passes.bicubic_as_convolution import bicubic_as_convolution
from exporters.passes.fold_mean_shift import fold_mean_shift
from exporters.passes.fold_padded_bias import fold_padded_bias
from exporters.passes.fold_pixel_shuffle import fold_pixel_shuffle
from exporters.passes.merge_parallel import merge_parallel
from exporters.passes.merge_sequential import merge_sequential
from exporters.passes.simplify import simplify
from exporters.trace import UnitRange, trace
from exporters.verify import references
from training.networks import DRNConfig, EDSRConfig, PlainConfig, build_network

SIZES_HW = [(1, 1), (1, 5), (2, 2), (3, 7), (16, 11)]


def simplified(architecture: str, config: DRNConfig | EDSRConfig | PlainConfig) -> onnx.ModelProto:
    """The graph of one of our networks with random weights, as the passes get it."""
    torch.manual_seed(1)
    return simplify(trace(UnitRange.of(build_network(architecture, config))))


class Layers(nn.Module):
    """Layers that take 3 channels."""

    def __init__(self, *layers: nn.Module, scale: int = 1) -> None:
        super().__init__()
        self.scale = scale
        self.layers = nn.Sequential(*layers)

    def forward(self, lr: Tensor) -> Tensor:
        return self.layers(lr)


def graph_of(*layers: nn.Module) -> onnx.ModelProto:
    torch.manual_seed(2)
    for layer in layers:
        for module in layer.modules():
            if isinstance(module, nn.Conv2d):
                module.reset_parameters()
    return simplify(trace(Layers(*layers).eval()))


def run(model: onnx.ModelProto, lr: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(["sr"], {"lr": lr})[0]


def rewritten(
    model: onnx.ModelProto, rewrite: Callable[[onnx.ModelProto], Rewrite], *, atol: float = 2e-6
) -> tuple[onnx.ModelProto, Rewrite]:
    """Apply a pass to a copy, and see that no size tells the two apart."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    result = rewrite(copy)
    onnx.checker.check_model(copy, full_check=True)
    rng = np.random.default_rng(0)
    for size_hw in SIZES_HW:
        lr = rng.random((2, 3, *size_hw), np.float32)
        np.testing.assert_allclose(run(copy, lr), run(model, lr), rtol=0, atol=atol)
    return copy, result


def kinds(model: onnx.ModelProto) -> list[str]:
    return [node.op_type for node in model.graph.node]


def test_mean_shift_in_front_becomes_an_addition() -> None:
    model = simplified("plain", PlainConfig(scale=2, widths=(6,)))
    assert kinds(model)[:2] == ["Conv", "Conv"]
    folded, result = rewritten(model, fold_mean_shift)
    assert (result.applied, kinds(folded)[:2]) == (1, ["Add", "Conv"])


def test_mean_shift_goes_through_the_bicubic_of_drn() -> None:
    model = simplified("drn", DRNConfig(scale=4, blocks=1, features=4))
    folded, result = rewritten(model, fold_mean_shift)
    assert (result.applied, kinds(folded)[:3]) == (1, ["Add", "Resize", "Conv"])


def test_colour_matrix_with_trained_values_folds_too() -> None:
    transform, head = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 3, padding=1)
    folded, result = rewritten(graph_of(transform, head), fold_mean_shift)
    assert (result.applied, kinds(folded)) == (1, ["Add", "Conv"])


def test_value_range_without_a_mean_leaves_nothing_behind() -> None:
    folded, result = rewritten(graph_of(nn.Conv2d(3, 3, 1, bias=False), nn.Conv2d(3, 3, 3, padding=1)), fold_mean_shift)
    assert (result.applied, kinds(folded)) == (1, ["Conv"])


def test_colour_transform_that_cannot_be_inverted_stays() -> None:
    model = graph_of(nn.Conv2d(3, 1, 1), nn.Conv2d(1, 3, 3, padding=1))
    _, result = rewritten(model, fold_mean_shift)
    assert result.applied == 0
    assert "cannot be inverted" in result.skipped[0]


def test_added_mean_and_value_range_go_into_the_last_convolution() -> None:
    model = simplified("edsr", EDSRConfig(scale=2, blocks=1, width=4, tail="shuffle"))
    assert kinds(model)[-2:] == ["DepthToSpace", "Conv"]
    folded, result = rewritten(model, fold_pixel_shuffle)
    assert (result.applied, kinds(folded)[-1]) == (1, "DepthToSpace")

    model = simplified("edsr", EDSRConfig(scale=2, blocks=1, width=4))
    folded, result = rewritten(model, merge_sequential)
    assert result.applied == 1
    assert len(folded.graph.node) == len(model.graph.node) - 1


def test_squeeze_behind_the_shuffle_folds_where_it_saves_work() -> None:
    wide = DRNConfig(scale=4, blocks=1, features=4)
    folded, result = rewritten(simplified("drn", wide), fold_pixel_shuffle)
    assert (result.applied, result.skipped) == (2, [])
    narrow = DRNConfig(scale=4, blocks=1, features=4, upsampler_widths=(4, 16))
    folded, result = rewritten(simplified("drn", narrow), fold_pixel_shuffle)
    assert result.applied == 1
    assert "costs 1.8" in result.skipped[0]
    assert kinds(folded).count("DepthToSpace") == 2


class ReparametrisedBlock(nn.Module):
    """RepVGG's: a 3x3, a 1x1 and an identity branch, each with batch normalisation, added up."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.wide = nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels))
        self.point = nn.Sequential(nn.Conv2d(channels, channels, 1, bias=False), nn.BatchNorm2d(channels))
        for norm in (self.wide[1], self.point[1]):
            norm.running_mean = torch.randn(channels) * 0.1
            norm.running_var = torch.rand(channels) + 0.5

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.wide(x) + self.point(x) + x)


def test_repvgg_block_becomes_one_convolution() -> None:
    model = graph_of(ReparametrisedBlock(3))
    assert kinds(model).count("Conv") == 2
    merged, result = rewritten(model, merge_parallel)
    assert (result.applied, kinds(merged)) == (2, ["Conv", "Relu"])


class Broadcast(nn.Module):
    """Two convolutions of the same picture, of which one gives a single channel that is added to all."""

    def __init__(self) -> None:
        super().__init__()
        self.wide, self.single = nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(3, 1, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.wide(x) + self.single(x)


def test_branches_of_different_width_stay_two() -> None:
    _, result = rewritten(graph_of(Broadcast()), merge_parallel)
    assert result.applied == 0


SOBEL = torch.tensor([[1.0, 0.0, -1.0], [2.0, 0.0, -2.0], [1.0, 0.0, -1.0]])
LAPLACE = torch.tensor([[0.0, 1.0, 0.0], [1.0, -4.0, 1.0], [0.0, 1.0, 0.0]])


class EdgeBranch(nn.Module):
    """A 1x1 convolution, a ring of its bias (or of `ring`), and 3x3: learnt, or one fixed filter a channel, scaled."""

    def __init__(self, channels: int, fixed: Tensor | None = None, ring: float | None = None) -> None:
        super().__init__()
        inner = channels if fixed is not None else 2 * channels
        self.point = nn.Conv2d(channels, inner, 1)
        self.groups = channels if fixed is not None else 1
        last = nn.Conv2d(inner, channels, 3, groups=self.groups)
        self.weight = nn.Parameter(last.weight.detach() if fixed is None else torch.randn(channels, 1, 1, 1) * fixed)
        self.bias = last.bias
        self.ring = ring

    def forward(self, x: Tensor) -> Tensor:
        y = nn.functional.pad(self.point(x), (1, 1, 1, 1))
        around = self.point.bias.view(1, -1, 1, 1) if self.ring is None else torch.full((1, 1, 1, 1), self.ring)
        y[:, :, :1, :] = around
        y[:, :, -1:, :] = around
        y[:, :, :, :1] = around
        y[:, :, :, -1:] = around
        return nn.functional.conv2d(y, self.weight, self.bias, groups=self.groups)


class EdgeBlock(nn.Module):
    """ECB: a 3x3 convolution, branches (two of its four) and the identity, added up."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.main = nn.Conv2d(channels, channels, 3, padding=1)
        self.branches = nn.ModuleList(EdgeBranch(channels, fixed) for fixed in (None, SOBEL))

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.main(x) + sum(branch(x) for branch in self.branches) + x)


def test_ecb_block_becomes_one_convolution() -> None:
    model = graph_of(EdgeBlock(3))
    folded, result = rewritten(model, fold_padded_bias, atol=1e-5)
    assert (result.applied, kinds(folded).count("ScatterND")) == (2, 0)
    merged, _ = rewritten(folded, merge_parallel, atol=1e-5)
    assert kinds(merged) == ["Conv", "Relu"]


def test_ring_of_something_else_is_left_alone() -> None:
    _, result = rewritten(graph_of(EdgeBranch(3, ring=0.5)), fold_padded_bias)
    assert result.applied == 0
    assert "something else than the bias" in result.skipped[0]


def test_filters_by_channel_that_nothing_is_added_to_stay() -> None:
    _, result = rewritten(graph_of(EdgeBranch(3, LAPLACE)), fold_padded_bias)
    assert result.applied == 0
    assert "costs" in result.skipped[0]


def test_residual_around_two_layers_is_left_alone() -> None:
    model = simplified("edsr", EDSRConfig(scale=2, blocks=2, width=4, tail="shuffle"))
    _, result = rewritten(model, merge_parallel)
    assert result.applied == 0


def test_chain_without_bias_merges_and_one_with_bias_does_not() -> None:
    exact = graph_of(nn.Conv2d(3, 12, 1, bias=False), nn.Conv2d(12, 4, 3, padding=1), nn.Conv2d(4, 3, 1))
    merged, result = rewritten(exact, merge_sequential)
    assert (result.applied, kinds(merged)) == (2, ["Conv"])
    biased = graph_of(nn.Conv2d(3, 12, 1), nn.Conv2d(12, 3, 3, padding=1))
    merged, result = rewritten(biased, merge_sequential)
    assert result.applied == 0
    assert "the border would change" in result.skipped[0]


def test_merge_that_costs_more_is_refused() -> None:
    bottleneck = graph_of(
        nn.Conv2d(3, 1, 3, padding=1, bias=False), nn.Conv2d(1, 16, 1), nn.Conv2d(16, 3, 3, padding=1)
    )
    _, result = rewritten(bottleneck, merge_sequential)
    assert result.applied == 0
    assert any("costs" in reason for reason in result.skipped)


@pytest.mark.parametrize("scale", [2, 4, 8])
def test_bicubic_as_convolution_gives_torchs_numbers(scale: int) -> None:
    layer = nn.Upsample(scale_factor=float(scale), mode="bicubic", align_corners=False)
    model = simplify(trace(Layers(layer, scale=scale).eval()))
    converted, result = rewritten(model, bicubic_as_convolution)
    assert (result.applied, kinds(converted)) == (1, ["Pad", "Conv", "DepthToSpace"])
    for size_hw in SIZES_HW:
        lr = torch.rand(1, 3, *size_hw)
        np.testing.assert_allclose(run(converted, lr.numpy()), layer(lr).numpy(), atol=1e-5)
    assert halo_px(converted) == 2


def test_enlargement_is_timed_by_itself() -> None:
    """Beside it the whole network takes so long that noise would decide."""
    network = build_network("drn", DRNConfig(scale=4, blocks=1, features=16))
    unit = UnitRange.of(network)
    enlarging = [one for one in FLOAT if one.rewrite is bicubic_as_convolution]
    kept, (outcome,) = apply_passes(simplify(trace(unit)), references(unit), passes=enlarging)
    assert outcome.kept
    assert "Resize" not in kinds(kept)


def test_bilinear_enlargement_is_left_alone() -> None:
    model = simplified("plain", PlainConfig(scale=2, widths=(4,)))
    assert rewritten(model, bicubic_as_convolution)[1].applied == 0


def test_alignment_pads_what_needs_it() -> None:
    model = simplified("edsr", EDSRConfig(scale=2, blocks=2, width=10, inner_widths=(8, 13), tail="shuffle"))
    aligned, result = rewritten(model, align_channels)
    assert result.applied == 2
    shapes = {tuple(tensor.dims) for tensor in aligned.graph.initializer if len(tensor.dims) == 4}
    assert {(16, 3, 3, 3), (8, 16, 3, 3), (16, 16, 3, 3), (12, 16, 3, 3)} <= shapes
    narrower, _ = rewritten(model, lambda copy: align_channels(copy, block=8))
    assert {tuple(t.dims) for t in narrower.graph.initializer} >= {(16, 3, 3, 3)}


def test_alignment_leaves_multiples_of_four_and_told_apart_channels_alone() -> None:
    even = simplified("edsr", EDSRConfig(scale=2, blocks=2, width=12, tail="shuffle"))
    assert rewritten(even, align_channels)[1].applied == 0
    grouped = graph_of(nn.Conv2d(3, 10, 3, padding=1), nn.Conv2d(10, 10, 3, padding=1, groups=2), nn.Conv2d(10, 3, 1))
    assert rewritten(grouped, align_channels)[1].applied == 0


def test_alignment_inside_channel_attention() -> None:
    model = simplified(
        "drn", DRNConfig(scale=4, blocks=1, features=4, block_widths=((11,), (13,)), down_widths=(9, 10))
    )
    _, result = rewritten(model, align_channels)
    assert result.applied >= 4


def test_channelwise_constants_are_padded_too() -> None:
    class Scaled(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x * torch.linspace(-1, 1, 13).reshape(1, 13, 1, 1) + 0.25

    model = graph_of(nn.Conv2d(3, 13, 3, padding=1), nn.Tanh(), Scaled(), nn.Conv2d(13, 3, 1))
    _, result = rewritten(model, align_channels)
    assert result.applied == 1


def test_pass_that_changes_the_result_is_left_out_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    config = PlainConfig(scale=2, widths=(4,))
    network = UnitRange.of(build_network("plain", config))

    def brighten(model: onnx.ModelProto) -> Rewrite:
        bias = next(tensor for tensor in model.graph.initializer if list(tensor.dims) == [3])
        bias.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(bias) + 1, bias.name))
        return Rewrite(applied=1)

    model = simplify(trace(network))
    kept, outcomes = apply_passes(
        model, references(network), passes=[Pass("brighten", brighten), Pass("fold_shuffle", fold_pixel_shuffle)]
    )
    assert [outcome.kept for outcome in outcomes] == [False, True]
    assert "differs from the network" in outcomes[0].note
    assert "brighten is left out" in caplog.text
    lr = np.random.default_rng(1).random((1, 3, 8, 8), np.float32)
    np.testing.assert_allclose(run(kept, lr), run(model, lr), atol=1e-5)


def test_measured_pass_that_slows_down_is_left_out() -> None:
    config = PlainConfig(scale=2, widths=(4,))
    network = UnitRange.of(build_network("plain", config))

    def detour(model: onnx.ModelProto) -> Rewrite:
        names = ["lr", *(f"detour_{step}" for step in range(400))]
        nodes = [helper.make_node("Exp" if i % 2 else "Log", [a], [b]) for i, (a, b) in enumerate(pairwise(names))]
        for node in model.graph.node:
            node.input[:] = [names[-1] if name == "lr" else name for name in node.input]
        nodes.extend(model.graph.node)
        del model.graph.node[:]
        model.graph.node.extend(nodes)
        return Rewrite(applied=1)

    _, (outcome,) = apply_passes(
        simplify(trace(network)), references(network), passes=[Pass("detour", detour, by_measurement=True)]
    )
    assert not outcome.kept
    assert "not faster on this machine" in outcome.note
    assert outcome.speed is not None


def test_one_graph_can_be_changed_in_several_places() -> None:
    model = graph_of(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 3, 3, padding=1), nn.ReLU())
    graph = Graph(model)
    for node in list(model.graph.node):
        if node.op_type == "Relu":
            graph.replace(node, helper.make_node("Abs", node.input, node.output))
    assert kinds(model) == ["Conv", "Abs", "Conv", "Abs"]
