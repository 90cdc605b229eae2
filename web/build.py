"""`make tab`: copy the page, onnxruntime-web and the shipped models to web/dist, for any static server.

The models differ from the shipped files in two ways. Their cards are in a file of their own, because onnxruntime-web
does not return metadata. The optional inputs of `share_pooling` are required, because it takes no optional inputs.
"""

import json
import shutil
from dataclasses import asdict
from pathlib import Path

import onnx

from sr_infer import ShippedModel, available_models

HERE = Path(__file__).parent
DIST = HERE / "dist"
PAGE = ("index.html", "page.css", "page.js", "tiling.js", "worker.js")
RUNTIME = ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm")
_OPTIONAL = ("pooled", "use_pooled")


def main() -> None:
    shutil.rmtree(DIST, ignore_errors=True)
    (DIST / "models").mkdir(parents=True)
    for name in PAGE:
        shutil.copy(HERE / name, DIST)
    for name in RUNTIME:
        shutil.copy(HERE / "node_modules/onnxruntime-web/dist" / name, DIST)
    models = [model for model in available_models() if model.card.colour == "RGB"]
    for model in models:
        _copy_model(model)
    cards = [{"name": model.name, "card": asdict(model.card)} for model in models]
    (DIST / "models/models.json").write_text(json.dumps(cards))


def _copy_model(model: ShippedModel) -> None:
    graph = onnx.load(model.path)
    required = [tensor for tensor in graph.graph.initializer if tensor.name not in _OPTIONAL]
    if len(required) == len(graph.graph.initializer):
        shutil.copy(model.path, DIST / "models")
        return
    del graph.graph.initializer[:]
    graph.graph.initializer.extend(required)
    onnx.save(graph, DIST / "models" / model.path.name)


if __name__ == "__main__":
    main()
