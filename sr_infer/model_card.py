"""The model card: facts about a model file, one JSON object in its ONNX metadata."""

import json
import math
from dataclasses import asdict, dataclass, field, fields
from typing import Literal, Self

from sr_infer.errors import ModelError

METADATA_KEY = "sr_infer"
"""Key of the card in the metadata of an ONNX file."""


@dataclass(frozen=True, kw_only=True)
class Quality:
    """Mean luma PSNR (dB) and SSIM over a benchmark folder. MATLAB's bicubic downscaling makes the LR images; a border
    of `scale` px is left out."""

    psnr_y: float
    ssim_y: float


@dataclass(frozen=True, kw_only=True)
class SizeRequirements:
    """Input sizes that a network takes. The runtime pads images to such a size."""

    multiple_of_px: int = 1
    """Sides must be multiples of this."""
    min_size_px: int = 1
    """Smallest side."""
    window_px: int | None = None
    """Side of the only square that the network takes; None for any size."""

    def round_up(self, length_px: int) -> int:
        """The smallest side of at least `length_px` that the network takes, or its only side."""
        if self.window_px is not None:
            return self.window_px
        return -(-max(length_px, self.min_size_px) // self.multiple_of_px) * self.multiple_of_px


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """Facts about one .onnx file. "Pixel" means a pixel of the LR input.

    Raises:
        ModelError: a value is impossible, such as a scale of 0.
    """

    scale: int
    """Output side over input side."""
    architecture: str
    """Name of the architecture, such as "edsr" or "drn"."""
    colour: Literal["RGB", "Y"] = "RGB"
    """Channels of input and output: three, or only luma."""
    value_range: float = 1.0
    """Value of white in input and output, 1.0 or 255.0; black is 0."""
    halo_px: int = 0
    """Radius of the receptive field in px: with a halo of this size, a tile equals the whole image."""
    halo_8bit_px: int | None = None
    """Smallest halo in px that changes no 8-bit value by more than 1, as measured; None if it was not measured."""
    global_pooling: bool = False
    """The network averages over its whole input (channel attention), so that no halo makes tiles exactly equal."""
    multiple_of_px: int = 1
    """Input sides in px must be multiples of this; the runtime pads."""
    min_size_px: int = 1
    """Smallest input side in px; the runtime pads."""
    window_px: int | None = None
    """Side in px of the only square that the network takes; the runtime divides images into such windows."""
    bytes_per_px: float = 20_000.0
    """Peak working memory in bytes per input pixel, as measured."""
    tile_db: float | None = None
    """PSNR in dB between a photograph in tiles of 64 px and in one piece, as measured; None if it was not measured."""
    tile_levels: int | None = None
    """Largest difference between them in 8-bit levels."""
    flat_levels: dict[str, int] = field(default_factory=dict)
    """Largest error on images of one colour in 8-bit levels: "inside", 20 px from the border, and at the "border"."""
    precision: str = "float32"
    """Type of the weights: "float32" or "int8"."""
    params: int = 0
    """Number of weights."""
    macs_per_px: int = 0
    """Multiply-accumulates per input pixel."""
    quality: dict[str, Quality] = field(default_factory=dict)
    """Name of a benchmark folder -> quality of this file on it."""
    trained_on: str = ""
    """Training data with attribution, and length of the training."""
    licence: str = ""
    """Licence of the file."""
    exporter: dict[str, str] = field(default_factory=dict)
    """Name of a tool -> its version when the file was made."""

    def __post_init__(self) -> None:
        for name in ("scale", "multiple_of_px", "min_size_px", "halo_px", "halo_8bit_px"):
            value = getattr(self, name)
            if value is None and name == "halo_8bit_px":
                continue
            if not isinstance(value, int):
                raise ModelError(f"model card: {name} must be a whole number, got {value!r}")
        for name in ("scale", "multiple_of_px", "min_size_px"):
            if getattr(self, name) < 1:
                raise ModelError(f"model card: {name} must be at least 1, got {getattr(self, name)}")
        for name in ("halo_px", "halo_8bit_px"):
            if (getattr(self, name) or 0) < 0:
                raise ModelError(f"model card: {name} must not be negative, got {getattr(self, name)}")
        if self.colour not in ("RGB", "Y"):
            raise ModelError(f"model card: colour must be RGB or Y, got {self.colour!r}")
        if self.value_range not in (1.0, 255.0):
            raise ModelError(f"model card: value_range must be 1.0 or 255.0, got {self.value_range}")
        if not 0 < self.bytes_per_px < math.inf:
            raise ModelError(f"model card: bytes_per_px must be positive and finite, got {self.bytes_per_px}")

    @property
    def size_requirements(self) -> SizeRequirements:
        """Input sizes that the network takes."""
        return SizeRequirements(
            multiple_of_px=self.multiple_of_px, min_size_px=self.min_size_px, window_px=self.window_px
        )

    def to_json(self) -> str:
        """Convert to the JSON object that the file stores."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read a card from JSON; unknown keys, of later versions, are ignored.

        Raises:
            ModelError: not a JSON object, a value of the wrong type, or one that `ModelCard` refuses.
        """
        try:
            values = json.loads(text)
        except json.JSONDecodeError as error:
            raise ModelError(f"the model card is not JSON ({error}); export the model again") from error
        if not isinstance(values, dict):
            kind = type(values).__name__
            raise ModelError(f"the model card must be a JSON object, got {kind}; export the model again")
        known = {key: value for key, value in values.items() if key in {f.name for f in fields(cls)}}
        try:
            known["quality"] = {name: Quality(**figures) for name, figures in known.get("quality", {}).items()}
            return cls(**known)
        except (TypeError, AttributeError) as error:
            raise ModelError(f"the model card does not fit ({error}); export the model again") from error
