"""The exact costs of the shipped models do not grow unnoticed. Times are not tested."""

import json

import pytest

from benchmarks.exact import COSTS_FILE, count_exact_costs
from sr_infer import ShippedModel, available_models

FILE_TOLERANCE = 1.02
"""Allowed growth of a file, because the text of a model card may become longer."""


@pytest.mark.parametrize("model", available_models(), ids=lambda model: model.name)
def test_exact_costs_have_not_grown(model: ShippedModel) -> None:
    kept = json.loads(COSTS_FILE.read_text()).get(model.name)
    assert kept is not None, "expected recorded costs; run `python -m benchmarks.exact` to record a new model"
    costs = count_exact_costs(model)
    assert costs["size_bytes"] <= kept["size_bytes"] * FILE_TOLERANCE
    for name in ("nodes", "parameters", "macs_per_px"):
        assert costs[name] <= kept[name], f"{name} grew; run `python -m benchmarks.exact` to accept it"
