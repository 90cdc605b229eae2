"""Pass: store weights as float16 if that loses nothing, which halves the file.

`w` becomes `Cast(half(w))` wherever `float(half(w)) == w` bit for bit, which holds for all that training saved. The
session widens them once, when it loads.
"""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from exporters.graph import Rewrite

MIN_VALUES = 256
"""Smallest tensor, in values, that is worth a node."""


def store_fp16_weights(model: onnx.ModelProto) -> Rewrite:
    """Rewrite `model` in place; every tensor stored as float16 counts. The function stays exactly the same."""
    defaults = {value.name for value in model.graph.input}
    casts = []
    for tensor in model.graph.initializer:
        if tensor.name in defaults or tensor.data_type != TensorProto.FLOAT or np.prod(tensor.dims) < MIN_VALUES:
            continue
        values = numpy_helper.to_array(tensor)
        with np.errstate(over="ignore"):
            halves = values.astype(np.float16)
        if not np.array_equal(halves.astype(np.float32), values):
            continue
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(halves, f"{name}.half"))
        casts.append(helper.make_node("Cast", [tensor.name], [name], name=f"widen {name}", to=TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return Rewrite(applied=len(casts))
