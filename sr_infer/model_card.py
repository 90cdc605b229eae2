"""What a model file says of itself: one JSON object in the ONNX metadata, for the runtime to read."""

import json
import math
from dataclasses import asdict, dataclass, field, fields
from typing import Literal, Self

from sr_infer.errors import ModelError

METADATA_KEY = "sr_infer"


@dataclass(frozen=True, kw_only=True)
class Quality:
    """Mean luma PSNR (dB) and SSIM over a benchmark folder, LR by MATLAB bicubic, border of `scale` px cut off."""

    psnr_y: float
    ssim_y: float


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """Facts about one .onnx file. "Pixel" means a pixel of the LR input.

    Raises:
        ModelError: a value is impossible, such as a scale of 0.
    """

    scale: int
    """Output side over input side."""
    architecture: str
    """Such as "edsr" or "drn"."""
    colour: Literal["RGB", "Y"] = "RGB"
    """Channels of input and output: three, or luma alone."""
    value_range: float = 1.0
    """Input and output span 0 to this: 1.0 or 255.0."""
    halo_px: int = 0
    """Receptive-field radius: with so many pixels around it, a tile equals the whole picture."""
    halo_8bit_px: int | None = None
    """The smallest halo measured to change no 8-bit value by more than 1; None where nobody measured it."""
    global_pooling: bool = False
    """The network averages over its whole input (channel attention), so no halo makes tiles exactly equal."""
    multiple_of_px: int = 1
    """Input sides must be multiples of this; the runtime pads."""
    min_size_px: int = 1
    """The smallest input side that the network takes; the runtime pads."""
    window_px: int | None = None
    """The only input side that the network takes, of squares; the runtime cuts pictures into such windows."""
    bytes_per_px: float = 20_000.0
    """Measured peak working memory per input pixel."""
    tile_db: float | None = None
    """Measured PSNR between a photograph in tiles of 64 px and in one piece; None where nobody measured it."""
    tile_levels: int | None = None
    """The largest such difference in 8-bit levels."""
    flat_levels: dict[str, int] = field(default_factory=dict)
    """How many 8-bit levels pictures of one colour stray at most: "inside", 20 px from the border, and "border"."""
    precision: str = "float32"
    params: int = 0
    macs_per_px: int = 0
    """Multiply-accumulates per input pixel."""
    quality: dict[str, Quality] = field(default_factory=dict)
    """Benchmark folder -> figures of this very file."""
    trained_on: str = ""
    """Data with attribution, and how long."""
    licence: str = ""
    exporter: dict[str, str] = field(default_factory=dict)
    """Tool -> version that made the file."""

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

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read a card; keys of later versions are ignored.

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
