"""The parts of a report, which become a page or Markdown. Texts may contain `code` and **bold**."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Heading:
    text: str
    level: int = 2


@dataclass(frozen=True)
class Text:
    text: str


@dataclass(frozen=True)
class Table:
    """Columns after the first hold numbers, except those in `words`."""

    headers: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: Sequence[str] = ()
    folded: str = ""
    """Shown on the page only when this line is clicked."""


@dataclass(frozen=True)
class Illustration:
    """A picture: SVG text, or the bytes of a PNG file."""

    name: str
    contents: str | bytes
    description: str

    @property
    def file_name(self) -> str:
        return f"{self.name}.{'svg' if isinstance(self.contents, str) else 'png'}"


@dataclass(frozen=True)
class Verdicts:
    """Targets, measured values, and whether each target is met."""

    rows: Sequence["Verdict"]


@dataclass(frozen=True)
class Verdict:
    target: str
    measured: str
    met: bool | None
    """None where something was not measured."""
    note: str = ""

    @property
    def word(self) -> str:
        return {True: "met", False: "missed", None: "not measured"}[self.met]


@dataclass(frozen=True)
class Commands:
    """Lines for a shell."""

    lines: Sequence[str]


Part = Heading | Text | Table | Illustration | Verdicts | Commands


def table_from_markdown(text: str) -> Table:
    """A table that a module prints as Markdown; every column is a word."""
    header, _, *rows = ([cell.strip() for cell in line.strip().strip("|").split("|")] for line in text.splitlines())
    return Table(header, rows, words=header)
