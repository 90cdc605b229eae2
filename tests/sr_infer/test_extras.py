"""What the commands say when the extra that they stand on is not installed."""

import subprocess
import sys

import pytest

from sr_infer.errors import MissingExtraError


@pytest.mark.parametrize(
    ("library", "arguments", "extra"),
    [("ray", ["batch", "photos", "large"], "sr-infer[ray]"), ("gradio", ["web"], "sr-infer[web]")],
)
def test_an_absent_extra_is_named(library: str, arguments: list[str], extra: str) -> None:
    script = f"import sys; sys.modules[{library!r}] = None; from sr_infer.cli import main; main({arguments})"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("sr-infer: ")
    assert done.stderr.endswith(f"pip install '{extra}'\n")


def test_it_can_be_caught_as_an_import_error() -> None:
    assert issubclass(MissingExtraError, ImportError)
