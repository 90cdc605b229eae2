"""The tensors of a .safetensors, .pt, .pth or .ckpt file, without running anything that the file holds.

`torch.load` in its safe mode reads files of tensors. Some authors pickled their whole module beside the tensors; such a
file is read with every class and function that tensors do not need replaced by an inert stand-in.
"""

import pickle
import warnings
from collections import OrderedDict
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from sr_infer.errors import ModelError

HARMLESS = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor"): torch._utils._rebuild_tensor,
    ("torch._utils", "_rebuild_tensor_v2"): torch._utils._rebuild_tensor_v2,
    ("torch._utils", "_rebuild_parameter"): torch._utils._rebuild_parameter,
    ("torch", "Size"): torch.Size,
    ("torch", "device"): torch.device,
}
"""All that rebuilding tensors needs, beside the storage types, which torch itself looks up."""

NESTED = ("params_ema", "params", "state_dict", "model_state_dict", "model", "generator", "net_g")
"""Where state dicts lie: BasicSR's averaged and plain weights, Lightning's and everyone else's, a GAN's generator."""


class _Inert:
    """Stands in for whatever a file asks for; takes anything and does nothing."""

    dump_patches = False
    """Asked by torch of every module in the files that it wrote before 1.6."""

    def __new__(cls, *_: object) -> "_Inert":
        return super().__new__(cls)

    def __setstate__(self, _: object) -> None:
        pass

    def __setitem__(self, _: object, __: object) -> None:
        pass

    def append(self, _: object) -> None:
        pass

    def extend(self, _: object) -> None:
        pass

    def add(self, _: object) -> None:
        pass


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        return HARMLESS.get((module, name), _Inert)


def _load(file: IO[bytes], *, encoding: str) -> Any:
    return _Unpickler(file, encoding=encoding).load()


_PICKLE = SimpleNamespace(__name__=__name__, Unpickler=_Unpickler, load=_load)


def load_state(path: Path) -> dict[str, Tensor]:
    """Tensor name -> tensor, on the CPU.

    Raises:
        ModelError: not a file of torch or safetensors, a file with dual networks only, or one without a state dict.
    """
    try:
        contents = _read(path)
    except Exception as error:  # what is no pickle raises whatever its bytes happen to mean
        first_line = str(error).strip().partition("\n")[0]
        raise ModelError(
            f"{path} is not a checkpoint that torch or safetensors wrote, or only part of one ({first_line}); fetch it "
            "again"
        ) from error
    if isinstance(contents, list):
        raise ModelError(
            f"{path} holds a list of {len(contents)} networks, as DRN's dual networks are saved; only training needs "
            "them: pass the file of the primal network, such as DRNS4x.pt"
        )
    state = _innermost(contents) if isinstance(contents, dict) else {}
    tensors = {str(name): value for name, value in state.items() if isinstance(value, Tensor)}
    if not tensors:
        raise ModelError(f"{path} holds no state dict; expected tensors by name, perhaps under {', '.join(NESTED)}")
    return tensors


def _innermost(contents: dict[Any, Any]) -> dict[Any, Any]:
    """The state dict in a checkpoint, in which it may lie two keys deep."""
    nested = next((contents[key] for key in NESTED if isinstance(contents.get(key), dict)), None)
    return contents if nested is None else _innermost(nested)


def _read(path: Path) -> Any:
    if path.suffix == ".safetensors":
        return load_file(path)
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the stand-ins' source is not that of the modules
            return torch.load(path, map_location="cpu", weights_only=False, pickle_module=_PICKLE)
