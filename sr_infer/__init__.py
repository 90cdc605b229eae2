"""Super-resolution on a plain CPU: one call, any image size, bounded memory.

    sr_infer.upscale("photo.jpg").save("large.png")

`Upscaler` keeps a model with options; `available_models` lists the shipped models. All errors are `SrInferError`.
"""

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
