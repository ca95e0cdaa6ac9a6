"""Characters with boxes, set back into lines: what stands on one row of the page stands on one line of the text.

Invoices speak by layout: a label's value is right of it or under it. A PDF keeps characters in drawing order, so they are
sorted into rows by their vertical overlap and, within a row, by their left edge; every piece is put at the column its place on
the page asks for (the idea of `pdftotext -layout`), with two spaces at least between pieces. Coordinates are those of PDF
pages: points, y upward.
"""

from __future__ import annotations

from collections.abc import Iterable
from statistics import median

import msgspec

# In units of a character's height: a gap that parts words, and one that parts columns.
_WORD_GAP = 0.17
_COLUMN_GAP = 1.1
_LEAST_OVERLAP = 0.5


class Glyph(msgspec.Struct, frozen=True):
    """One character and its box on the page."""

    char: str
    left: float
    bottom: float
    right: float
    top: float

    @property
    def height(self) -> float:
        """The height of the box, never zero."""
        return max(self.top - self.bottom, 0.1)


class Piece(msgspec.Struct, frozen=True):
    """Words of one row without a wide gap between them, and where they begin."""

    text: str
    left: float
    right: float


def lay_out(glyphs: Iterable[Glyph]) -> str:
    """The page's text, one line for each row, blank lines where the page leaves a gap of more than a row."""
    printed = list(glyphs)
    visible = [glyph for glyph in printed if not glyph.char.isspace()]
    if not visible:
        return ""
    rows = [_pieces(row) for row in _rows(printed) if any(not glyph.char.isspace() for glyph in row)]
    unit = max(_unit(rows), 0.5)
    margin = min(glyph.left for glyph in visible)
    return "\n".join(_set(row, margin, unit) for row in rows)


def _rows(glyphs: list[Glyph]) -> list[list[Glyph]]:
    """Rows from top to bottom: a glyph joins the row that its box overlaps by half or more."""
    rows: list[list[Glyph]] = []
    spans: list[tuple[float, float]] = []
    for glyph in sorted(glyphs, key=lambda glyph: (-(glyph.top + glyph.bottom), glyph.left)):
        for i in range(len(rows) - 1, max(len(rows) - 4, -1), -1):
            bottom, top = spans[i]
            overlap = min(top, glyph.top) - max(bottom, glyph.bottom)
            if overlap >= _LEAST_OVERLAP * min(top - bottom, glyph.height):
                rows[i].append(glyph)
                break
        else:
            rows.append([glyph])
            spans.append((glyph.bottom, glyph.bottom + glyph.height))
    return rows


def _pieces(row: list[Glyph]) -> list[Piece]:
    """The pieces of a row from left to right, doubled characters (drawn twice for weight) left out."""
    row.sort(key=lambda glyph: glyph.left)
    pieces: list[Piece] = []
    text, left, right, is_spaced = "", row[0].left, row[0].left, False
    previous: Glyph | None = None
    for glyph in row:
        if glyph.char.isspace():
            is_spaced = True
            continue
        if previous is not None and _is_doubled(previous, glyph):
            continue
        gap = glyph.left - right
        if text and gap > _COLUMN_GAP * glyph.height:
            pieces.append(Piece(text, left, right))
            text = ""
        elif text and (gap > _WORD_GAP * glyph.height or (is_spaced and gap > -_WORD_GAP * glyph.height)):
            text += " "
        left = left if text else glyph.left
        text, right, previous, is_spaced = text + glyph.char, max(right, glyph.right), glyph, False
    pieces.append(Piece(text, left, right))
    return pieces


def _is_doubled(previous: Glyph, glyph: Glyph) -> bool:
    """Whether a character is drawn again in nearly the same place, as cheap bold type is."""
    return glyph.char == previous.char and glyph.left - previous.left < 0.25 * (previous.right - previous.left)


def _unit(rows: list[list[Piece]]) -> float:
    """The width of a character: the median over the page's pieces."""
    return median((piece.right - piece.left) / len(piece.text) for row in rows for piece in row)


def _set(row: list[Piece], margin: float, unit: float) -> str:
    line = ""
    for piece in row:
        column = round((piece.left - margin) / unit)
        line += " " * (max(column - len(line), 2) if line else max(column, 0)) + piece.text
    return line
