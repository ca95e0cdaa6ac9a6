"""View: an output with its ungrounded items marked, for the terminal and as a page of HTML."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator, Sequence

from backstay.extract.grounding import Item, Report

_STYLE = """\
body { font: 16px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem; }
body { color: #1a1a1a; background: #fff; }
pre { white-space: pre-wrap; font: inherit; }
mark { padding: 0 .15em; border-radius: .2em; color: inherit; }
mark.wrong { background: #ffd5d5; outline: 1px solid #b00020; }
mark.derived { background: #fff0c2; }
mark.stated { background: #dff3e2; }
td, th { text-align: left; padding: .2rem .8rem .2rem 0; vertical-align: top; }
@media (prefers-color-scheme: dark) {
  body { color: #eee; background: #161616; } mark.wrong { background: #5c1a22; outline-color: #ff6b7a; }
  mark.derived { background: #4d3f12; } mark.stated { background: #173d22; }
}"""


def find_line(text: str, offset: int) -> tuple[int, int]:
    """The line and column of `offset`, both counted from one."""
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)


def explain(item: Item) -> str:
    """What is said of one item, in words."""
    if item.derived is not None:
        return f"follows: {item.derived}"
    if item.grounded:
        return "in the sources"
    return "not in the sources" + (f"; nearest there: {item.nearest}" if item.nearest else "")


def mark_text(output: str, report: Report, paint: Callable[[str, Item], str]) -> str:
    """`output` with each checked item as `paint(text, item)` gives it."""
    return "".join(paint(text, item) if item is not None else text for text, item in _stretches(output, report.items))


def to_html(output: str, report: Report, *, title: str = "Grounding", notes: Sequence[str] = ()) -> str:
    """A page of its own: the output with every item coloured by how it stands, and a table of what is not in the sources.

    `notes` are sentences to add, such as a model's opinion.
    """
    marked = "".join(
        html.escape(text) if item is None else _mark(text, item) for text, item in _stretches(output, report.items)
    )
    rows = "".join(
        f"<tr><td>{line}:{column}</td><td>{item.kind}</td><td>{html.escape(item.text)}</td>"
        f"<td>{html.escape(item.nearest or '')}</td></tr>"
        for item in report.ungrounded
        for line, column in [find_line(output, item.start)]
    )
    head = "<tr><th>place</th><th>kind</th><th>not in the sources</th><th>nearest there</th></tr>"
    table = (
        f"<table>{head}{rows}</table>" if rows else "<p>Every checked item is in the sources or follows from them.</p>"
    )
    said = "".join(f"<p>{html.escape(note)}</p>" for note in notes)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f"<style>{_STYLE}</style></head>\n<body><h1>{html.escape(title)}</h1>\n{table}\n<pre>{marked}</pre>\n{said}"
        "<p>Checked: codes, dates, amounts, percentages, contacts, ids and names. Nothing is claimed about what the "
        "sentences mean.</p></body></html>\n"
    )


def _mark(text: str, item: Item) -> str:
    kind = "wrong" if not item.grounded else "derived" if item.derived is not None else "stated"
    return f'<mark class="{kind}" title="{html.escape(f"{item.kind}: {explain(item)}")}">{html.escape(text)}</mark>'


def _stretches(output: str, items: Sequence[Item]) -> Iterator[tuple[str, Item | None]]:
    at = 0
    for item in items:
        yield output[at : item.start], None
        yield output[item.start : item.end], item
        at = item.end
    yield output[at:], None
