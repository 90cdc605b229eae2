"""Each printed cost equals ours or differs for a known reason; an unknown difference is an error."""

from dataclasses import replace

import pytest

from benchmarks import paper


def test_every_printed_figure_is_equal_or_known() -> None:
    verdicts = {(figure.row.network, figure.column): figure.verdict for figure in paper.compare_printed_values()}
    assert "DIFFERS" not in verdicts.values()
    assert verdicts["drn-s-x4", "GMACs"] == verdicts["srpn-lite-x2", "parameters"] == "equal"
    assert not verdicts["memsr-plain-l-x2", "parameters"].startswith("equal")
    assert {key for key, verdict in verdicts.items() if verdict.startswith("known")} == set(paper.KNOWN)


def test_a_difference_that_is_not_known_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    row = next(row for row in paper.ROWS if row.network == "srpn-lite-x4")
    monkeypatch.setattr(paper, "ROWS", (row,))
    assert paper.main() == 0
    monkeypatch.setattr(paper, "ROWS", (replace(row, gmacs="35.7"),))
    assert paper.main() == 1
    assert "srpn-lite-x4: GMACs printed as 35.7, ours is 35.8" in capsys.readouterr().err
