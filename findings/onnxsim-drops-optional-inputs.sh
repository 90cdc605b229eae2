#!/usr/bin/env bash
# onnxsim 0.8.1 removes graph inputs that have a default initialiser (ONNX: "an input with a default value"): the value
# becomes a constant, and a caller can no longer override it. check_ok is True.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet onnx==1.23.2 onnxsim==0.8.1 onnxruntime==1.32.0
"$folder/env/bin/python" - <<'PYTHON'
import numpy as np
import onnxruntime
import onnxsim
from onnx import TensorProto, helper, numpy_helper

onnxruntime.set_default_logger_severity(4)
x, gain, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("x", "gain", "y"))
default = numpy_helper.from_array(np.float32([2]), "gain")
graph = helper.make_graph([helper.make_node("Mul", ["x", "gain"], ["y"])], "g", [x, gain], [y], [default])
model = helper.make_model(graph, ir_version=9, opset_imports=[helper.make_opsetid("", 18)])
simplified, is_checked = onnxsim.simplify(model)
found = []
for name, one in (("before", model), ("after", simplified)):
    session = onnxruntime.InferenceSession(one.SerializeToString(), providers=["CPUExecutionProvider"])
    found.append([value.name for value in session.get_overridable_initializers()])
    print(f"{name}: inputs {[value.name for value in one.graph.input]}, may be overridden {found[-1]}")
assert is_checked
assert found == [["gain"], []]
PYTHON
# Output seen:
# before: inputs ['x', 'gain'], may be overridden ['gain']
# after: inputs ['x'], may be overridden []
