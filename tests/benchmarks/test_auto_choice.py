"""Cases of `model="auto"`: what both networks reach, what was chosen, and what a mistake costs."""

import re

import pytest
from skimage import data

from benchmarks.auto_choice import Case, fit, measure, table
from training.data.conditions import CONDITIONS


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    return measure([data.chelsea()[:240, 60:300]], 4)


def test_every_condition_is_a_case_and_mistakes_cost_the_difference(cases: list[Case]) -> None:
    assert [case.condition for case in cases] == list(CONDITIONS)
    found = {case.condition: case for case in cases}
    assert found["JPEG 50"].is_photo_chosen
    assert found["JPEG 50"].gain_db > 0
    assert found["JPEG 50"].loss_db == 0
    assert found["cubic, no antialias"].gain_db > 1
    wrong = [case for case in cases if case.is_photo_chosen != (case.gain_db > 0)]
    assert all(case.loss_db == abs(case.gain_db) for case in wrong)


def test_the_table_has_a_row_for_each_condition_and_one_for_all(cases: list[Case]) -> None:
    rows = [line for line in table(cases).splitlines() if line.startswith("| ")]
    assert len(rows) == 1 + len(CONDITIONS) + 1
    share = re.search(r"\| all \|.*\| (\d+)% \|", rows[-1])
    assert share is not None
    assert int(share[1]) == round(100 * sum(case.loss_db == 0 for case in cases) / len(cases))


def test_a_fit_prints_the_constants_of_the_chooser(cases: list[Case]) -> None:
    weights, bias = fit(cases).splitlines()
    assert weights.startswith("_SPECTRUM_WEIGHTS = np.array([")
    assert weights.count(",") == 13
    assert re.fullmatch(r"_SPECTRUM_BIAS = -?\d+\.\d\d", bias)
