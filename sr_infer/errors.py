"""The errors this library raises: each says what was expected, what came, and what to do."""


class SrInferError(Exception):
    """Everything this project raises on purpose. Catch it to catch them all."""


class ModelNotFoundError(SrInferError):
    """No shipped model has this name, or no file lies at this path."""


class ModelError(SrInferError):
    """The file is there, but it is not a super-resolution network that the runtime can run."""


class ImageError(SrInferError):
    """The picture cannot be read, is not a picture, or has a shape or type that is not supported."""


class OptionError(SrInferError, ValueError):
    """An argument is out of range or contradicts another."""


class MemoryBudgetError(SrInferError):
    """`max_memory` is too small for this model and picture. The message names the smallest that works."""


class CancelledError(SrInferError):
    """The progress callback returned False."""


class RunError(SrInferError):
    """A training run cannot continue: its folder holds another run, or its loss is no longer finite."""


class OutputError(SrInferError):
    """The result could not be written. A file that was there before is untouched."""


class MissingExtraError(SrInferError, ImportError):
    """A part of the library was used whose extra is not installed. The message names it."""
