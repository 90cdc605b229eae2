"""Super-resolution on a plain CPU: one call, any image size, bounded memory.

    sr_infer.upscale("photo.jpg").save("large.png")

`Upscaler` is the same with options held; `available_models` lists what is shipped. All errors are `SrInferError`.

Importing the package loads nothing else: a name is imported from its module when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sr_infer import metrics
    from sr_infer.errors import (
        CancelledError,
        ImageError,
        MemoryBudgetError,
        MissingExtraError,
        ModelError,
        ModelNotFoundError,
        OptionError,
        OutputError,
        SrInferError,
    )
    from sr_infer.model_card import ModelCard
    from sr_infer.model_zoo import DEFAULT_MODEL, ShippedModel, available_models
    from sr_infer.upscaler import Upscaler, upscale

__version__ = "0.1.0"

__all__ = [
    "DEFAULT_MODEL",
    "CancelledError",
    "ImageError",
    "MemoryBudgetError",
    "MissingExtraError",
    "ModelCard",
    "ModelError",
    "ModelNotFoundError",
    "OptionError",
    "OutputError",
    "ShippedModel",
    "SrInferError",
    "Upscaler",
    "available_models",
    "metrics",
    "upscale",
]

_MODULE_OF = {
    "DEFAULT_MODEL": "model_zoo",
    "ModelCard": "model_card",
    "ShippedModel": "model_zoo",
    "Upscaler": "upscaler",
    "available_models": "model_zoo",
    "upscale": "upscaler",
}
"""Modules of the public names; errors are in `errors`."""


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'sr_infer' has no attribute {name!r}")
    if name == "metrics":
        return import_module("sr_infer.metrics")
    value = getattr(import_module(f"sr_infer.{_MODULE_OF.get(name, 'errors')}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
