"""One HTML file for a person: no script, no asset, nothing fetched; everything that is shown is escaped here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

import msgspec

from backstay.chart.data import Bars, Chart, Lines
from backstay.chart.svg import to_svg

CSS = """
:root { color-scheme: light dark; --line: #8884; --dim: #777; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin-bottom: .2rem; } h2 { font-size: 1.15rem; margin-top: 2rem; } .note { color: var(--dim); }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .8rem .25rem 0; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
td.figure, th.figure { text-align: right; } td.figure, td.word { white-space: nowrap; }
svg { margin: .5rem 0; border-radius: 4px; } .wide { overflow-x: auto; }
""".strip()

WORD = 14
"""Characters of the longest word with hyphens that stays on its line: a day, with room for a time."""


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a page: charts, and HTML made by `table` or by a caller who escaped it."""

    heading: str
    text: str = ""
    html: str = ""
    charts: tuple[Lines | Bars, ...] = ()


def page(title: str, sections: Iterable[Section], *, note: str = "") -> str:
    """The whole document. `title`, `note`, headings and texts are plain text."""
    body = "\n".join(_section(section) for section in sections)
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>{escape(title)}</title>\n'
        f"<style>{CSS}</style>\n</head>\n<body>\n<h1>{escape(title)}</h1>\n"
        f'<p class="note">{escape(note)}</p>\n{body}\n</body>\n</html>\n'
    )


def _section(section: Section) -> str:
    parts = [f"<h2>{escape(section.heading)}</h2>"]
    if section.text:
        parts += [f"<p>{escape(part)}</p>" for part in section.text.split("\n\n")]
    parts += [_figure(chart) for chart in section.charts]
    return "\n".join([*parts, section.html])


def _figure(chart: Chart) -> str:
    return f'<div class="wide">{to_svg(chart)}</div>'


def table(header: Sequence[str], rows: Iterable[Sequence[str]], *, figures: Sequence[str] = ()) -> str:
    """A table as HTML, its cells escaped; the columns named in `figures` stand to the right."""
    kinds = [' class="figure"' if name in figures else "" for name in header]
    head = "".join(f"<th{kind}>{escape(name)}</th>" for name, kind in zip(header, kinds, strict=True))
    lines = (
        "<tr>"
        + "".join(f"<td{kind or _kind(cell)}>{escape(cell)}</td>" for cell, kind in zip(row, kinds, strict=True))
        + "</tr>"
        for row in rows
    )
    return f'<div class="wide"><table>\n<tr>{head}</tr>\n' + "\n".join(lines) + "\n</table></div>"


def _kind(cell: str) -> str:
    """A day or another short word with hyphens is not broken at them."""
    return ' class="word"' if "-" in cell and " " not in cell and len(cell) <= WORD else ""
