"""The end of every test run: how long each file took, and the slow tests that were left out."""

from collections import Counter
from typing import Any

import pytest

SHOWN_FILES = 15
_LEFT_OUT = pytest.StashKey[list[str]]()


def pytest_deselected(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("slow") is not None:
            item.config.stash.setdefault(_LEFT_OUT, []).append(_file_of(item.nodeid))


def pytest_sessionfinish(session: pytest.Session) -> None:
    if hasattr(session.config, "workeroutput"):  # a worker of pytest-xdist
        session.config.workeroutput["left_out"] = session.config.stash.get(_LEFT_OUT, [])


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take the list of one worker of pytest-xdist; all collect the same."""
    node.config.stash[_LEFT_OUT] = getattr(node, "workeroutput", {}).get("left_out", [])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    seconds: Counter[str] = Counter()
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport):
                seconds[_file_of(report.nodeid)] += report.duration
    if seconds:
        terminalreporter.section(f"seconds of the {min(SHOWN_FILES, len(seconds))} slowest of {len(seconds)} files")
    for name, duration in seconds.most_common(SHOWN_FILES):
        terminalreporter.line(f"{duration:7.1f}  {name}")
    left_out = Counter(config.stash.get(_LEFT_OUT, []))
    if left_out:
        terminalreporter.section(f"{left_out.total()} slow tests were left out; `make test-all` runs them")
    for name, count in sorted(left_out.items()):
        terminalreporter.line(f"{count:7}  {name}")


def _file_of(nodeid: str) -> str:
    return nodeid.partition("::")[0]
