"""Tables for people: aligned columns of plain text, fitted to the terminal, whole where there is none.

A column is text (left) or figures (right). When the terminal is too narrow, figures that can be spared are left out, and that is
said; then the widest text column gives way, with an ellipsis. A figure is never cut. Piped output is whole.
"""

from __future__ import annotations

import re
import shutil
import sys
import unicodedata
from collections.abc import Sequence

import click

GAP = "  "
LEAST = 8
"""A text column is not made narrower than this."""

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")

READABLE = 20
"""A text column that would become narrower than this is given the room of a spare column."""


def print_table(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    figures: Sequence[str] = (),
    spare: Sequence[str] = (),
) -> None:
    """Print `rows` under `header`. The columns named in `figures` are aligned to the right; those in `spare` are left out, the
    first one first, where the terminal is too narrow for all."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    left_out = left_out_of(header, rows, figures=figures, spare=spare, width=width)
    kept = [index for index, name in enumerate(header) if name not in left_out]
    header, rows = [header[index] for index in kept], [[row[index] for index in kept] for row in rows]
    lines = lay_out(header, rows, figures=figures, width=width)
    click.echo(click.style(lines[0], bold=True))
    for line in lines[1:]:
        click.echo(line)
    if left_out:
        click.echo(f"left out, because the terminal is narrow: {', '.join(left_out)}")


def left_out_of(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    figures: Sequence[str],
    spare: Sequence[str],
    width: int | None,
) -> list[str]:
    """The columns of `spare` that must go, so that each text column has its width, or a readable part of it."""
    if width is None:
        return []
    widths = dict(zip(header, _widths([header, *([visible(text) for text in row] for row in rows)]), strict=True))
    wanted = {name: wide if name in figures else min(wide, READABLE) for name, wide in widths.items()}
    gone: list[str] = []
    for name in spare:
        if sum(wanted.values()) + len(GAP) * (len(wanted) - 1) <= width:
            break
        del wanted[name]
        gone.append(name)
    return gone


def lay_out(
    header: Sequence[str], rows: Sequence[Sequence[str]], *, figures: Sequence[str] = (), width: int | None = None
) -> list[str]:
    """The lines of the table, the header first; at most `width` columns wide where the figures leave room."""
    cells = [list(header), *([visible(text) for text in row] for row in rows)]
    widths = _widths(cells)
    is_figure = [name in figures for name in header]
    if width is not None:
        _narrow(widths, is_figure, width - len(GAP) * (len(header) - 1))
    return [
        GAP.join(
            _fit(text, wide, is_right) for text, wide, is_right in zip(row, widths, is_figure, strict=True)
        ).rstrip()
        for row in cells
    ]


def _widths(cells: Sequence[Sequence[str]]) -> list[int]:
    return [max(columns(row[index]) for row in cells) for index in range(len(cells[0]))]


def _narrow(widths: list[int], is_figure: Sequence[bool], room: int) -> None:
    while sum(widths) > room:
        wide = [index for index, figure in enumerate(is_figure) if not figure and widths[index] > LEAST]
        if not wide:
            return
        widths[max(wide, key=widths.__getitem__)] -= 1


def visible(text: str) -> str:
    """`text` with its control characters (C0, DEL and C1) as escapes: a document's words move no cursor and set no colour."""
    return CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def columns(text: str) -> int:
    """How many terminal columns `text` takes; wide East Asian characters take two."""
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def _fit(text: str, width: int, is_right: bool) -> str:
    if columns(text) > width:
        while columns(text) > width - 1:
            text = text[:-1]
        text += "…"
    space = " " * (width - columns(text))
    return space + text if is_right else text + space
