"""What an engine is: it loads a network file and runs the network on a CPU.

To add an engine, write one module that provides the names of `Engine`; `sr_infer.engine.session` chooses the engine. No
other module knows which engine runs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class TensorInfo:
    """Name, type and shape of an input or output of a network."""

    name: str
    dtype: np.dtype[Any] | None
    """None for a type that numpy does not have."""
    shape: tuple[int | None, ...]
    """None stands for a side that is free."""

    def __str__(self) -> str:
        sides = ", ".join("?" if side is None else str(side) for side in self.shape)
        return f"{self.name!r} of {self.dtype or 'another type'} ({sides})"


@dataclass(frozen=True)
class WorkingSet:
    """How much memory an engine takes to run a network, relative to the `bytes_per_px` in the model card."""

    factor_float: float
    """Peak of a float32 network over `bytes_per_px`."""
    factor_int8: float
    """Peak of an int8 network over `bytes_per_px`."""
    fixed_bytes: int
    """Memory that does not depend on the image, such as thread stacks."""

    def factor(self, precision: str) -> float:
        """The factor for the precision that a model card states."""
        return self.factor_int8 if precision == "int8" else self.factor_float


class LoadedNetwork(Protocol):
    """A network that is ready to run. Running is safe from several threads."""

    @property
    def inputs(self) -> tuple[TensorInfo, ...]:
        """Inputs that every run needs."""
        ...

    @property
    def optional_inputs(self) -> tuple[TensorInfo, ...]:
        """Inputs that have a default value. An engine that cannot change such values returns none; then networks with
        channel attention compute their own statistics in each tile."""
        ...

    @property
    def outputs(self) -> tuple[TensorInfo, ...]: ...

    @property
    def metadata(self) -> Mapping[str, str]:
        """The text metadata of the file."""
        ...

    def run(self, output: str, feeds: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
        """Run the network and return one output.

        Args:
            output: name of the output.
            feeds: input name -> value.

        Raises:
            Exception: whatever the engine raises; `sr_infer.engine.session` converts it.
        """
        ...

    def abandon(self) -> None:
        """Keep the network allocated for ever. Called in a forked child, where freeing it would wait for threads that
        exist only in the parent. Does nothing if the engine has no such threads."""
        ...


class Engine(Protocol):
    """The names that an engine's module provides."""

    @property
    def NAME(self) -> str: ...  # noqa: N802

    @property
    def WORKING_SET(self) -> WorkingSet: ...  # noqa: N802

    def load(self, path: Path, *, threads: int, optimise: bool = True) -> LoadedNetwork:
        """Load a network file.

        Args:
            path: an .onnx file.
            threads: threads of one run.
            optimise: prepare the network to run fast; False loads faster, to read the metadata.

        Raises:
            ModelError: the engine cannot run the file.
        """
        ...
