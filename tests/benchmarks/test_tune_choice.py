"""The weights by which a network is chosen."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.tune_choice import Case, fit, judge, main, per_condition
from sr_infer.choice_weights import Weights
from training.data.conditions import CONDITIONS


def cases(rng: np.random.Generator, count: int) -> list[Case]:
    """Where the photo model gains what the second trace says, as far as noise lets through."""
    return [
        Case(CONDITIONS[i % len(CONDITIONS)], traces, float(traces[1] - 3 + 0.1 * rng.normal()))
        for i, traces in enumerate(rng.normal(3, 2, (count, 13)).astype(np.float32))
    ]


def always(photo: bool) -> Weights:
    return ((0.0,) * 13,) * 2, (0.0,) * 2, (0.0,) * 2, 5.0 if photo else -5.0


def test_what_decides_is_learnt() -> None:
    rng = np.random.default_rng(1)
    weights = fit(cases(rng, 800))
    unseen = cases(rng, 400)
    assert float(judge(unseen, weights).split("%")[0].split()[-1]) > 93
    assert weights == fit(cases(np.random.default_rng(1), 800)), "the same again"


def test_always_the_same_model_loses_what_the_other_gains() -> None:
    some = [Case(CONDITIONS[0], np.zeros(13, np.float32), gain) for gain in (2.0, -1.0, -1.0, -1.0)]
    rest = "always clean loses 0.500 dB, always photo loses 0.750 dB"
    assert judge(some, always(photo=True)) == (
        f"better model in 25.0% of 4 cases, loses 1.000 dB where it errs, 0.7500 dB on average; {rest}"
    )
    assert judge(some[1:], always(photo=False)).startswith("better model in 100.0% of 3 cases, never errs")


def test_the_table_has_a_row_for_every_condition() -> None:
    some = cases(np.random.default_rng(1), 2 * len(CONDITIONS))
    lines = per_condition(some, always(photo=True)).splitlines()
    assert len(lines) == 2 + len(CONDITIONS)
    assert lines[2].startswith(f"| {CONDITIONS[0]} | 100% | ")


def test_weights_are_learnt_only_to_be_written(tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        main(["--write", "--test", str(tmp_path)])


def test_a_folder_without_pictures_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--test", str(tmp_path)]) == 2
    assert "no pictures in" in capsys.readouterr().err
