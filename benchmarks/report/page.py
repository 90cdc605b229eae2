"""Write a report as one self-contained HTML page, readable on a phone."""

import base64
import html
import re
from collections.abc import Sequence
from pathlib import Path

from benchmarks.report.document import Commands, Heading, Illustration, Part, Table, Text, Verdicts
from sr_infer.atomic_file import atomic_write

_STYLE = Path(__file__).with_name("page.css")


def write_page(parts: Sequence[Part], path: Path, *, title: str) -> None:
    """Write the HTML page to `path`."""
    contents = [part.text for part in parts if isinstance(part, Heading) and part.level == 2]
    links = " ".join(f'<a href="#{_anchor(text)}">{html.escape(text)}</a>' for text in contents)
    body = "\n".join(map(_render, parts))
    head, _, rest = body.partition("<h2")
    page = f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{html.escape(title)}</title>
<style>
{_STYLE.read_text(encoding="utf-8")}</style>
<main>
{head}<nav>{links}</nav>
<h2{rest}
</main>
</html>
"""
    with atomic_write(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def _render(part: Part) -> str:
    match part:
        case Heading(text, level):
            return f'<h{level} id="{_anchor(text)}">{_inline(text)}</h{level}>'
        case Text(text):
            return f"<p>{_inline(text)}</p>"
        case Illustration(_, contents, description):
            return f"<figure>{_picture(contents, description)}<figcaption>{_inline(description)}</figcaption></figure>"
        case Commands(lines):
            return f"<pre>{html.escape(chr(10).join(lines))}</pre>"
        case Verdicts(rows):
            items = "".join(
                f'<li class="{row.word.replace(" ", "-")}"><b>{_inline(row.measured)}</b>'
                f"<span>{_inline(row.target)}</span><em>{row.word}</em>"
                + (f"<small>{_inline(row.note)}</small>" if row.note else "")
                + "</li>"
                for row in rows
            )
            return f'<ul class="verdicts">{items}</ul>'
        case Table(folded=folded) if folded:
            return f"<details><summary>{_inline(folded)}</summary>{_table(part)}</details>"
        case Table():
            return _table(part)


def _table(table: Table) -> str:
    kinds = [index == 0 or name in table.words for index, name in enumerate(table.headers)]

    def row(cells: Sequence[str], tag: str) -> str:
        return "".join(
            f"<{tag}{'' if word else ' class=number'}>{_inline(cell)}</{tag}>"
            for cell, word in zip(cells, kinds, strict=True)
        )

    body = "".join(f"<tr>{row(cells, 'td')}</tr>" for cells in table.rows)
    head = f"<thead><tr>{row(table.headers, 'th')}</tr></thead>"
    return f'<div class="wide"><table>{head}<tbody>{body}</tbody></table></div>'


def _picture(contents: str | bytes, description: str) -> str:
    if isinstance(contents, str):
        return contents[contents.index("<svg") :]
    data = base64.b64encode(contents).decode()
    return f'<div class="wide"><img alt="{html.escape(description)}" src="data:image/png;base64,{data}"></div>'


def _anchor(text: str) -> str:
    return re.sub(r"\W+", "-", text.lower()).strip("-")


def _inline(text: str) -> str:
    escaped = html.escape(text)
    escaped = re.sub(r"`([^`]+)`", r"<code>\1</code>", escaped)
    return re.sub(r"\*\*([^*]+)\*\*", r"<b>\1</b>", escaped)
