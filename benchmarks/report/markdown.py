"""A report as Markdown, its figures as files beside it."""

from collections.abc import Sequence
from pathlib import Path

from benchmarks.report.document import Block, Commands, Figure, Heading, Table, Text, Verdicts
from sr_infer.atomic_file import atomic_write


def write_markdown(blocks: Sequence[Block], path: Path, *, images: Path) -> None:
    """Write the text to `path` and the figures into the folder `images`, beside it."""
    images.mkdir(parents=True, exist_ok=True)
    figures = [block for block in blocks if isinstance(block, Figure)]
    for figure in figures:
        contents = figure.contents
        (images / figure.file_name).write_bytes(contents.encode() if isinstance(contents, str) else contents)
    for old in images.iterdir():
        if old.name not in {figure.file_name for figure in figures}:
            old.unlink()
    text = "\n\n".join(_block(block, images.relative_to(path.parent)) for block in blocks) + "\n"
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _block(block: Block, images: Path) -> str:
    match block:
        case Heading(text, level):
            return f"{'#' * level} {text}"
        case Text(text):
            return text
        case Figure(description=description):
            return f"![{description}]({(images / block.file_name).as_posix()})\n\n{description}"
        case Commands(lines):
            return "\n".join(["```sh", *lines, "```"])
        case Verdicts(rows):
            cells = [[row.target, row.measured, f"**{row.word}**", row.note] for row in rows]
            return _table(["target", "measured", "", "note"], cells, words=("", "measured", "note"))
        case Table(headers, rows, words):
            return _table(headers, rows, words=words)


def _table(headers: Sequence[str], rows: Sequence[Sequence[str]], *, words: Sequence[str]) -> str:
    rule = ["---" if index == 0 or name in words else "--:" for index, name in enumerate(headers)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (headers, rule, *rows))
