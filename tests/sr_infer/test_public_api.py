"""The public functions explain themselves, and their import paths stay."""

import doctest
import importlib
import inspect
import subprocess
import sys

import pytest

import sr_infer
from sr_infer.options import Options, OutputSize


def test_help_explains_every_parameter_of_upscale() -> None:
    explained = (sr_infer.upscale.__doc__ or "").partition("Args:")[2].partition("Returns:")[0]
    for name in inspect.signature(sr_infer.upscale).parameters:
        assert f"        {name}: " in explained


def test_the_example_in_the_help_runs() -> None:
    finder = doctest.DocTestFinder(recurse=False)
    (example,) = finder.find(sr_infer.upscale, "upscale", globs={})
    assert len(example.examples) == 3
    assert doctest.DocTestRunner().run(example).failed == 0


def test_upscale_has_the_defaults_of_the_options() -> None:
    parameters = inspect.signature(sr_infer.upscale).parameters
    defaults = vars(Options()) | vars(OutputSize()) | {"model": sr_infer.DEFAULT_MODEL, "progress": None}
    assert {name: parameter.default for name, parameter in parameters.items() if name != "image"} == defaults


@pytest.mark.parametrize(
    ("module", "names"),
    [
        ("metrics", ["luma", "psnr_y", "ssim_y"]),
        ("resize", ["imresize", "downscale"]),
        ("model_card", ["ModelCard", "Quality", "METADATA_KEY"]),
        ("tiling", ["plan", "Grid", "Span"]),
        ("errors", ["SrInferError", *(name for name in sr_infer.__all__ if name.endswith("Error"))]),
        ("cli", ["main"]),
        ("measure", ["latency", "peak_memory", "upscale_case"]),
    ],
)
def test_import_paths(module: str, names: list[str]) -> None:
    imported = importlib.import_module(f"sr_infer.{module}")
    for name in names:
        assert hasattr(imported, name)


def test_measure_is_a_command() -> None:
    command = [sys.executable, "-m", "sr_infer.measure", "sr_infer.measure:upscale_case", '["srpn-lite-x2", 16, 16]']
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert '"peak_bytes"' in done.stdout
