"""Pass: two convolutions with nothing between them become one, where that is exact and no more work.

With zero padding that is so when the second is 1x1, or when the first is 1x1 without bias; see
`training.networks.convolution_algebra.sequential` for the kernel and the reason. The mean that a network adds to its
result, the 1x1-3x3 chains of ECB blocks (without bias) and 3x3-1x1 chains are of this kind.
"""

import onnx

from exporters.graph import Graph, Rewrite, drop_unused
from training.networks.convolution_algebra import sequential


def merge_sequential(model: onnx.ModelProto) -> Rewrite:
    """Rewrite `model` in place. Refused where the border would change or the one kernel costs more than the two."""
    rewrite = Rewrite()
    passed_over: set[str] = set()
    while (pair := _next_pair(Graph(model), passed_over)) is not None:
        graph, first, second = pair
        one, two = graph.convolution(first), graph.convolution(second)
        assert one is not None
        assert two is not None
        merged = sequential(one, two)
        exact = two.is_pointwise or (one.is_pointwise and not one.bias.any())
        ratio = merged.weight.numel() / (one.weight.numel() + two.weight.numel())
        if not exact or ratio > 1:
            reason = f"the one kernel costs {ratio:.2f}x" if exact else "the border would change"
            rewrite.skipped.append(f"{second.output[0]}: {reason}")
            passed_over.add(second.output[0])
            continue
        graph.set_convolution(second, merged)
        graph.bypass(first)
        rewrite.applied += 1
    drop_unused(model)
    return rewrite


def _next_pair(graph: Graph, passed_over: set[str]) -> tuple[Graph, onnx.NodeProto, onnx.NodeProto] | None:
    for first in graph.proto.node:
        second = graph.single_consumer(first.output[0]) if graph.convolution(first) is not None else None
        if second is not None and second.output[0] not in passed_over and graph.convolution(second) is not None:
            return graph, first, second
    return None
