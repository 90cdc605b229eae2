"""The tiny networks, exported by the real command."""

from collections.abc import Callable

import pytest

from exporters.to_onnx import main
from tests.exporters.tiny import NETWORKS, Exported, save_checkpoint, unit_network


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Exported]:
    """Export one of `NETWORKS` through the command, once a session."""
    root = tmp_path_factory.mktemp("exported")
    done: dict[str, Exported] = {}

    def export(name: str) -> Exported:
        if name not in done:
            checkpoint = save_checkpoint(root / f"{name}.safetensors", NETWORKS[name], steps=5, batch=4, lr_patch_px=8)
            assert main([str(checkpoint), "--output", str(root / f"{name}.onnx")]) == 0
            done[name] = Exported(root / f"{name}.onnx", checkpoint, unit_network(checkpoint))
        return done[name]

    return export


@pytest.fixture(params=NETWORKS)
def each(request: pytest.FixtureRequest, exported: Callable[[str], Exported]) -> Exported:
    """Every one of `NETWORKS`, exported."""
    return exported(request.param)
