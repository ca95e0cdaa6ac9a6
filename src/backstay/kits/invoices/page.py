"""Page: one HTML file for whoever reviews: what came of each document, and of those that wait, each value with its place.

The excerpt around a value is read in the document again, so the page holds no more of it than is needed to judge the value. A
document that is no longer there, or has changed, has no excerpts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from html import escape
from pathlib import Path
from typing import Final

from backstay.chart.data import Bars
from backstay.chart.page import Section, page, table
from backstay.errors import LLMError
from backstay.extract.extraction import Field
from backstay.kits.invoices.confidence import EMPTY
from backstay.kits.invoices.record import Record, Verdict

VERDICTS: Final[tuple[Verdict, ...]] = ("accepted", "review", "rejected")
URGENT: Final[tuple[Verdict, ...]] = ("review", "rejected", "accepted")
AROUND: Final = 34
"""Characters of the document shown on each side of a value."""

SHOWN: Final = (
    "number",
    "issue_date",
    "due_date",
    "seller",
    "buyer",
    "currency",
    "net_total",
    "tax_total",
    "grand_total",
)
Texts = Callable[[str], str | None]


def review_page(records: Sequence[Record], texts: Texts | None = None) -> str:
    """The page as HTML. `texts` gives the text of a source, None where there is none; by default it is read again."""
    waiting = [record for record in records if record.decision == "review"]
    counts = Counter((record.kind, record.decision) for record in records)
    told = ", ".join(f"{sum(record.decision == name for record in records)} {name}" for name in VERDICTS)
    count = "document" if len(records) == 1 else "documents"
    chart = Bars(
        title="Documents by kind and decision",
        labels=VERDICTS,
        series=tuple((kind, tuple(float(counts[kind, name]) for name in VERDICTS)) for kind in ("invoice", "receipt")),
        y_label="documents",
    )
    sections = [
        Section(heading="All documents", charts=(chart,) if records else (), html=_overview(records)),
        *(_section(record, (texts or read_text)(record.source)) for record in waiting),
    ]
    return page("Invoices and receipts", sections, note=f"{len(records)} {count}: {told}.")


def read_text(source: str) -> str | None:
    """The text of a document as the kit reads it; None where it cannot be read any more."""
    from backstay.document.read import read_document

    try:
        return read_document(source).text
    except LLMError:
        return None


def _overview(records: Sequence[Record]) -> str:
    rows = [
        (
            Path(record.source).name,
            record.decision,
            f"{record.confidence:.2f}",
            *(str(record.data.get(name) or "") for name in ("seller", "issue_date", "currency", "grand_total")),
            record.layout,
            record.error or "; ".join(record.reasons),
        )
        for record in sorted(records, key=lambda one: (URGENT.index(one.decision), one.source))
    ]
    header = ("document", "decision", "sure", "seller", "date", "currency", "total", "layout", "why")
    return table(header, rows, figures=("sure", "total"))


def _section(record: Record, text: str | None) -> Section:
    names = [name for name in (*SHOWN, *record.fields) if name in record.fields and not name.startswith("lines")]
    rows = "\n".join(_row(name, record.fields[name], text) for name in dict.fromkeys(names))
    head = "<tr><th>field</th><th>value</th><th>sure</th><th>where it stands</th></tr>"
    return Section(
        heading=f"Review: {Path(record.source).name}",
        text="\n\n".join(_sentences(record)),
        html=f'<div class="wide"><table>\n{head}\n{rows}\n</table></div>',
    )


def _sentences(record: Record) -> Iterator[str]:
    yield "Why: " + "; ".join(record.reasons) + "."
    share = f", {record.layout_confidence:.0%}" if record.layout_confidence else ""
    yield f"Layout: {record.layout}{share} ({record.layout_reasoning}). Read by {record.target or 'nobody'}."
    if record.notes:
        yield "Notes: " + "; ".join(record.notes)


def _row(name: str, field: Field, text: str | None) -> str:
    value = "" if field.value in EMPTY else str(field.value)
    sure = f"{field.confidence:.2f}" if value else ""
    cells = (escape(name), escape(value), sure, _place(field, text) or escape(field.reason or ""))
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def _place(field: Field, text: str | None) -> str:
    """The words around a value with the value marked; empty where it has no place."""
    if field.evidence is None or text is None or not 0 <= field.evidence[0] < field.evidence[1] <= len(text):
        return ""
    start, end = field.evidence
    before, behind = text[max(start - AROUND, 0) : start], text[end : end + AROUND]
    shown = f"{_line(before)}<mark>{_line(text[start:end])}</mark>{_line(behind)}"
    return f"{shown}; {escape(field.reason)}" if field.reason else shown


def _line(text: str) -> str:
    """A piece of a document on one line, its gaps no wider than one space, and its line breaks shown."""
    if not text:
        return ""
    lines = [" ".join(part.split()) for part in text.split("\n")]
    body = " / ".join(part for part in lines if part)
    if not body:
        return " / " if len(lines) > 1 else " "
    return _joint(lines[0], text[:1]) + escape(body) + _joint(lines[-1], text[-1:])


def _joint(line: str, char: str) -> str:
    """What joins a piece to the next one: a line break where its outermost line is empty, else the gap that is there."""
    return " / " if not line else " " if char in (" ", "\t") else ""
