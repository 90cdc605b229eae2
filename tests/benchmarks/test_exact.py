"""The gate: what is exact about the shipped models does not grow unseen. Times gate nothing."""

import json

import pytest

from benchmarks.exact import COSTS_FILE, count_exact_costs
from sr_infer import ShippedModel, available_models

FILE_TOLERANCE = 1.02
"""A model card's text may become longer."""


@pytest.mark.parametrize("model", available_models(), ids=lambda model: model.name)
def test_exact_costs_have_not_grown(model: ShippedModel) -> None:
    kept = json.loads(COSTS_FILE.read_text()).get(model.name)
    assert kept is not None, "run `python -m benchmarks.exact` to write down a new model"
    costs = count_exact_costs(model)
    assert costs["size_bytes"] <= kept["size_bytes"] * FILE_TOLERANCE
    for name in ("nodes", "parameters", "macs_per_px"):
        assert costs[name] <= kept[name], f"{name} grew; `python -m benchmarks.exact` accepts it"
