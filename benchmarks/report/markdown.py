"""Write a report as Markdown, with its illustrations as files beside it."""

from collections.abc import Sequence
from pathlib import Path

from benchmarks.report.document import Commands, Heading, Illustration, Part, Table, Text, Verdicts
from sr_infer.atomic_file import atomic_write


def write_markdown(parts: Sequence[Part], path: Path, *, images: Path) -> None:
    """Write the text to `path` and the illustrations to the folder `images`; other files there are deleted."""
    images.mkdir(parents=True, exist_ok=True)
    figures = [part for part in parts if isinstance(part, Illustration)]
    for figure in figures:
        contents = figure.contents
        (images / figure.file_name).write_bytes(contents.encode() if isinstance(contents, str) else contents)
    for old in images.iterdir():
        if old.name not in {figure.file_name for figure in figures}:
            old.unlink()
    text = "\n\n".join(_render(part, images.relative_to(path.parent)) for part in parts) + "\n"
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _render(part: Part, images: Path) -> str:
    match part:
        case Heading(text, level):
            return f"{'#' * level} {text}"
        case Text(text):
            return text
        case Illustration(description=description):
            return f"![{description}]({(images / part.file_name).as_posix()})\n\n{description}"
        case Commands(lines, takes_hours):
            return "\n".join(["```sh hours" if takes_hours else "```sh", *lines, "```"])
        case Verdicts(rows):
            cells = [[row.target, row.measured, f"**{row.word}**", row.note] for row in rows]
            return _table(["target", "measured", "", "note"], cells, words=("", "measured", "note"))
        case Table(headers, rows, words):
            return _table(headers, rows, words=words)


def _table(headers: Sequence[str], rows: Sequence[Sequence[str]], *, words: Sequence[str]) -> str:
    rule = ["---" if index == 0 or name in words else "--:" for index, name in enumerate(headers)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (headers, rule, *rows))
