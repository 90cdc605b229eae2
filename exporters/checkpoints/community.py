"""Checkpoints of the community (Real-ESRGAN, Compact, SPAN, RCAN, ...), recognised and built by the package spandrel.

`import spandrel` loads all of its architectures, and two of them, LaMa and RestoreFormer, load torchvision. Where that
is not installed, it gets names to import that stand for nothing; the other architectures never use them.
"""

import importlib.util
import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import ModuleType
from typing import Any

from torch import Tensor

from exporters.checkpoints.source import Source, third_party_source
from sr_infer.errors import ModelError

INSTALL = "pip install --no-deps spandrel einops"
TORCHVISION = {
    "torchvision": (),
    "torchvision.transforms": (),
    "torchvision.transforms.functional": ("InterpolationMode", "normalize", "rotate"),
}
"""What spandrel 0.4 imports from it."""
WINDOW_PX = 128
"""The input side that networks with size requirements (transformers) are exported for, at least."""


def is_installed() -> bool:
    return importlib.util.find_spec("spandrel") is not None


def read(state: dict[str, Tensor]) -> Source:
    """A network of RGB in [0, 1] that spandrel knows, with tensors by the names of its authors.

    Raises:
        ModelError: spandrel is not installed or does not know it, or it is not from RGB to RGB.
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
    source = third_party_source(
        name.lower(), found.model, scale=found.scale, value_range=1.0, origin=f"{name}, read by spandrel"
    )
    if sizes.none:
        return source
    window_px = math.ceil(max(WINDOW_PX, sizes.minimum) / sizes.multiple_of) * sizes.multiple_of
    return replace(source, multiple_of_px=sizes.multiple_of, window_px=window_px)


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
