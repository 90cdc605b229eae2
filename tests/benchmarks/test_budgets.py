"""The table of memory budgets, tested with a small image."""

import re

import pytest

from benchmarks.budgets import Case
from sr_infer import available_models


@pytest.mark.parametrize("target", [None, "large.png", "large.tif"])
def test_a_call_is_measured_in_its_own_process(target: str | None) -> None:
    model = next(row for row in available_models() if row.name == "srpn-lite-x2")
    row = Case(name="small", budget="100MB", size_hw=(40, 60), target=target).measure(model)
    share = re.fullmatch(r"\| `srpn-lite-x2` \| small \| 100MB \| \d+MB \| (\d+)% \| \d+ s \|", row)
    assert share is not None, row
    assert 1 <= int(share[1]) <= 105
