"""Checkpoints of the community (Real-ESRGAN, Compact, SPAN, RCAN, ...), recognised and built by the package spandrel.

`import spandrel` loads all of its architectures, and two of them, LaMa and RestoreFormer, load torchvision. Where that
is not installed, it gets names to import that stand for nothing; the other architectures never use them.
"""

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from torch import Tensor

from exporters.checkpoints.source import Source, foreign
from sr_infer.errors import ModelError

INSTALL = "pip install --no-deps spandrel einops"
TORCHVISION = {
    "torchvision": (),
    "torchvision.transforms": (),
    "torchvision.transforms.functional": ("InterpolationMode", "normalize", "rotate"),
}
"""What spandrel 0.4 imports from it."""


def is_installed() -> bool:
    return importlib.util.find_spec("spandrel") is not None


def read(state: dict[str, Tensor]) -> Source:
    """A network of RGB in [0, 1] that spandrel knows, with tensors by the names of its authors.

    Raises:
        ModelError: spandrel is not installed or does not know it, or it does not take any RGB picture.
    """
    if not is_installed():
        raise ModelError(f"more are read once spandrel is installed ({INSTALL})")
    spandrel = _import_spandrel()
    try:
        found = spandrel.ModelLoader().load_from_state_dict(spandrel.canonicalize_state_dict(state))
    except Exception as error:  # an architecture may raise anything on tensors that it takes for its own
        raise ModelError(f"spandrel cannot read it ({type(error).__name__})") from error
    name, sizes = found.architecture.name, found.size_requirements
    if found.purpose not in ("SR", "Restoration") or (found.input_channels, found.output_channels) != (3, 3):
        raise ModelError(
            f"expected a network from RGB to RGB, got {name}, {found.purpose}, "
            f"from {found.input_channels} to {found.output_channels} channels"
        )
    if sizes.minimum > 1 or sizes.multiple_of > 1 or sizes.square:
        raise ModelError(
            f"{name} takes no pictures below {sizes.minimum} px, or only sides that are multiples of "
            f"{sizes.multiple_of} px, or only squares; exported are networks of any size alone, whose tiles equal the "
            "whole picture (convolutional ones, no transformers)"
        )
    return foreign(name.lower(), found.model, scale=found.scale, value_range=1.0, origin=f"{name}, read by spandrel")


def _import_spandrel() -> Any:
    if importlib.util.find_spec("torchvision") is not None:
        return importlib.import_module("spandrel")
    with _names_of_torchvision():
        return importlib.import_module("spandrel")


@contextmanager
def _names_of_torchvision() -> Iterator[None]:
    for name, attributes in TORCHVISION.items():
        module = ModuleType(name)
        vars(module).update(dict.fromkeys(attributes))
        sys.modules[name] = module
    try:
        yield
    finally:
        for name in TORCHVISION:
            del sys.modules[name]
