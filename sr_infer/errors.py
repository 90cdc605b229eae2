"""The errors of this library. Each message says what was expected, what was received, and what to do."""


class SrInferError(Exception):
    """Base of all errors that this project raises on purpose."""


class ModelNotFoundError(SrInferError):
    """There is no shipped model with this name, or no file at this path."""


class ModelError(SrInferError):
    """The file exists, but it is not a super-resolution network that the runtime can run."""


class ImageError(SrInferError):
    """The image cannot be read, is not an image, or has a shape or type that is not supported."""


class OptionError(SrInferError, ValueError):
    """An argument is out of range or contradicts another."""


class MemoryBudgetError(SrInferError):
    """`max_memory` is too small for this model and image. The message names the smallest amount that works."""


class CancelledError(SrInferError):
    """The progress callback returned False."""


class RunError(SrInferError):
    """A training run cannot continue: its folder holds another run, or its loss is no longer finite."""


class OutputError(SrInferError):
    """The result could not be written. An existing file is unchanged."""


class MissingExtraError(SrInferError, ImportError):
    """A part of the library needs an extra that is not installed. The message names it."""
