"""Pass: a 1x1 convolution behind PixelShuffle goes into the convolution before it.

Both are linear and act on the same pixels, so `P(shuffle(W x + b)) = shuffle(W' x + b')` exactly, with W' and b' as
`training.networks.convolution_algebra.behind_shuffle` says. The mean that is added behind the last shuffle is of this
kind, and so are DRN's stages, which widen, shuffle and squeeze.

With I channels into W, M of them behind the shuffle by r and O behind P, a pixel before the shuffle costs
k^2 I r^2 M + r^2 M O before and k^2 I r^2 O after, which is more where M is small, as in the most compressed DRNs.
"""

import onnx

from exporters.graph import Graph, Rewrite, attributes_of, drop_unused
from training.networks.convolution_algebra import behind_shuffle


def fold_pixel_shuffle(model: onnx.ModelProto) -> Rewrite:
    """Rewrite `model` in place. Refused where the folded form costs more multiplications."""
    rewrite = Rewrite()
    graph = Graph(model)
    for shuffle in [node for node in graph.proto.node if node.op_type == "DepthToSpace"]:
        first = graph.producer.get(shuffle.input[0])
        second = graph.single_consumer(shuffle.output[0])
        wide, pointwise = graph.convolution(first), graph.convolution(second)
        if first is None or second is None or wide is None or pointwise is None or not pointwise.is_pointwise:
            continue
        values = attributes_of(shuffle)
        if values.get("mode") != b"CRD" or graph.single_consumer(first.output[0]) is None:
            continue
        merged = behind_shuffle(wide, pointwise, values["blocksize"])
        before = wide.weight.numel() + values["blocksize"] ** 2 * pointwise.weight.numel()
        ratio = merged.weight.numel() / before
        if ratio > 1:
            rewrite.skipped.append(f"{shuffle.output[0]}: folded it costs {ratio:.2f}x")
            continue
        graph.set_convolution(first, merged)
        graph.bypass(second)
        rewrite.applied += 1
        graph = Graph(model)
    drop_unused(model)
    return rewrite
