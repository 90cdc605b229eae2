"""Pass: convolutions of the same tensor that are added up become one, an added identity included.

    W1 * x + W2 * x = (W1 + W2) * x,        W * x + x = (W + I) * x

with the smaller kernel centred in the larger; I is the identity kernel. Exact on the border, because both sides pad the
same x with zeros. The branches of RepVGG and ECB blocks are of this kind, once onnxsim has taken their batch
normalisation into the kernels.
"""

import onnx

from exporters.graph import Graph, Rewrite, drop_unused
from training.networks.convolution_algebra import Convolution, identity, parallel


def merge_parallel(model: onnx.ModelProto) -> Rewrite:
    """Rewrite `model` in place. A branch whose own result is used elsewhere too is left alone."""
    rewrite = Rewrite()
    while _merge_one(model):
        rewrite.applied += 1
        drop_unused(model)
    return rewrite


def _merge_one(model: onnx.ModelProto) -> bool:
    graph = Graph(model)
    for addition in graph.proto.node:
        if addition.op_type != "Add" or addition.input[0] == addition.input[1]:
            continue
        for main, side in (addition.input, reversed(addition.input)):
            branch = graph.producer.get(main)
            kernel = _branch(graph, main)
            if branch is None or kernel is None:
                continue
            other = _branch(graph, side)
            if (
                other is not None
                and graph.producer[side].input[0] == branch.input[0]
                and other.outputs == kernel.outputs
            ):
                merged = parallel(kernel, other)
            elif side == branch.input[0] and kernel.inputs == kernel.outputs:
                merged = parallel(kernel, identity(kernel.inputs))
            else:
                continue
            graph.set_convolution(branch, merged)
            addition.input[:] = [main]
            graph.bypass(addition)
            return True
    return False


def _branch(graph: Graph, name: str) -> Convolution | None:
    """The kernel of the convolution that makes a tensor which only an addition reads."""
    return graph.convolution(graph.producer.get(name)) if graph.single_consumer(name) is not None else None
