"""The parts of a report. Texts may contain `code` and **bold**."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Heading:
    """A heading of level 1 to 3."""

    text: str
    level: int = 2


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    text: str


@dataclass(frozen=True)
class Table:
    """A table. The first column and those in `words` hold words, the others numbers."""

    headers: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: Sequence[str] = ()
    folded: str = ""
    """A line of text. If it is not empty, the HTML page hides the table until a reader clicks the line."""


@dataclass(frozen=True)
class Illustration:
    """An image: SVG text, or the bytes of a PNG file."""

    name: str
    contents: str | bytes
    description: str

    @property
    def file_name(self) -> str:
        return f"{self.name}.{'svg' if isinstance(self.contents, str) else 'png'}"


@dataclass(frozen=True)
class Verdicts:
    """A list of targets."""

    rows: Sequence["Verdict"]


@dataclass(frozen=True)
class Verdict:
    """A target, the measured value, and whether the value meets the target."""

    target: str
    measured: str
    met: bool | None
    """None if a measurement is missing."""
    note: str = ""

    @property
    def word(self) -> str:
        return {True: "met", False: "missed", None: "not measured"}[self.met]


@dataclass(frozen=True)
class Commands:
    """Command lines for a shell."""

    lines: Sequence[str]
    takes_hours: bool = False
    """Whether it is too long for a test of the page."""


Part = Heading | Text | Table | Illustration | Verdicts | Commands


def table_from_markdown(text: str) -> Table:
    """Parse a Markdown table; all of its columns hold words."""
    header, _, *rows = ([cell.strip() for cell in line.strip().strip("|").split("|")] for line in text.splitlines())
    return Table(header, rows, words=header)
