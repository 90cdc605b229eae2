"""What the tensors inside of a graph hold."""

from collections.abc import Iterator, Sequence

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from exporters.open_graph import open_graph

Batch = NDArray[np.float32]


def watch(model: onnx.ModelProto, tensors: Sequence[str], crops: Sequence[Batch]) -> Iterator[dict[str, Batch]]:
    """What tensors of a float graph hold, crop by crop."""
    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    ends = {value.name for value in (*watched.graph.input, *watched.graph.output)}
    inner = [name for name in tensors if name not in ends]
    watched.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in inner)
    session = open_graph(watched)
    asked = [name for name in tensors if name != "lr"]
    for crop in crops:
        found = session.run(asked, {"lr": crop}) if asked else []
        yield dict(zip(asked, found, strict=True)) | {"lr": crop}
