"""Find a model file by name or path, and list the shipped models.

The shipped files are in `sr_infer/models/`. There, `catalogue.json` holds {name: {"sha256": ..., "size_bytes": ...}},
so that a damaged installation is noticed; all other facts are in the model cards. After exporting a model into that
folder, run `python -m sr_infer.model_zoo` to write the catalogue again.
"""

import json
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from sr_infer.engine.session import read_card
from sr_infer.errors import ModelError, ModelNotFoundError
from sr_infer.model_card import ModelCard

DEFAULT_MODEL = "drn-s50-x4-int8"
MODELS_FOLDER = Path(__file__).parent / "models"
_CATALOGUE = "catalogue.json"


@dataclass(frozen=True)
class ShippedModel:
    """A shipped model: one row of the catalogue."""

    name: str
    path: Path
    size_bytes: int
    sha256: str

    @cached_property
    def card(self) -> ModelCard:
        """Facts about the model.

        Raises:
            ModelError: the file is damaged or has no card.
        """
        card = read_card(self.path)
        if card is None:
            raise ModelError(f"{self.path} has no model card; export it again")
        return card

    def verify(self) -> None:
        """Check the file against the catalogue.

        Raises:
            ModelError: the file is missing or is not the shipped one.
        """
        if not self.path.is_file() or _sha256(self.path) != self.sha256:
            raise ModelError(f"{self.path} is not the file that was shipped; install sr-infer again")


def available_models(folder: Path = MODELS_FOLDER) -> list[ShippedModel]:
    """List the shipped models, sorted by name.

    Raises:
        ModelError: the catalogue is damaged.
    """
    try:
        text = (folder / _CATALOGUE).read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    try:
        return [
            ShippedModel(name, folder / f"{name}.onnx", row["size_bytes"], row["sha256"])
            for name, row in sorted(json.loads(text).items())
        ]
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ModelError(f"{folder / _CATALOGUE} is damaged ({error}); install sr-infer again") from error


def find(model: str | os.PathLike[str]) -> Path:
    """Find the file of a model.

    Args:
        model: name of a shipped model, with or without ".onnx"; or a path. A string with a path separator is a path.

    Raises:
        ModelNotFoundError: there is no such name or file; the message suggests similar names.
    """
    separators = tuple(filter(None, (os.sep, os.altsep)))
    if not isinstance(model, str) or any(separator in model for separator in separators):
        try:
            path = Path(model).expanduser()
            is_there = path.is_file()
        except (TypeError, ValueError, RuntimeError, OSError) as error:
            raise ModelNotFoundError(f"expected a model's name or the path of an .onnx file, got {model!r}") from error
        if not is_there:
            raise ModelNotFoundError(f"expected an .onnx file at {path}, but there is none")
        return path
    name = model.removesuffix(".onnx")
    names = [row.name for row in available_models()]
    if name in names:
        return MODELS_FOLDER / f"{name}.onnx"
    import difflib  # here, because most calls do not need it

    near = difflib.get_close_matches(name, names, n=3, cutoff=0.4)
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(names) or 'none'}"
    here = f" For the file in the current folder write .{os.sep}{model}." if Path(model).is_file() else ""
    raise ModelNotFoundError(f"no shipped model is named {name!r}; {hint}{here}")


def write_catalogue(folder: Path = MODELS_FOLDER) -> None:
    """Write `catalogue.json` for the .onnx files of a folder."""
    rows = {path.stem: {"sha256": _sha256(path), "size_bytes": path.stat().st_size} for path in folder.glob("*.onnx")}
    (folder / _CATALOGUE).write_text(json.dumps(rows, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _sha256(path: Path) -> str:
    import hashlib  # here, because most calls do not need it

    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    write_catalogue()
