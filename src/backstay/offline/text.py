"""A text seen as a reader sees it: lines, cells of a line, and letters without case, accents and spacing.

Labels are matched on the squeezed form (`Rechnungs-Nr. :` is `rechnungsnr`), because kerning splits words (`Br utto`),
optical recognition drops spaces and every language has its own punctuation; every squeezed letter remembers its place.
"""

from __future__ import annotations

import re
import unicodedata

import msgspec

_KEPT = {"#": "#", "°": "o", "º": "o", "&": "&", "№": "no"}


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of a line: what stands between two wide gaps, without surrounding space."""

    text: str
    start: int
    end: int


class Squeezed(msgspec.Struct, frozen=True, kw_only=True):
    """Folded letters and digits of a text without anything between them; `index[i]` is the place of letter `i`."""

    text: str
    index: tuple[int, ...]


def fold(text: str) -> str:
    """`text` without case and accents, `ß` as `ss`."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(char for char in decomposed if not unicodedata.combining(char)).replace("ł", "l")


def squeeze(text: str) -> Squeezed:
    """The folded letters and digits of `text` with the place of each."""
    letters: list[str] = []
    index: list[int] = []
    for place, char in enumerate(text):
        if char.isascii():
            piece = char.lower() if char.isalnum() else _KEPT.get(char, "")
        else:
            piece = _KEPT.get(char) or "".join(folded for folded in fold(char) if folded.isalnum())
        letters.append(piece)
        index.extend([place] * len(piece))
    return Squeezed(text="".join(letters), index=tuple(index))


def split_lines(text: str) -> list[Cell]:
    """The lines of `text` that hold something, each with its place."""
    return [_trim(text, match.start(), match.end()) for match in re.finditer(r"[^\n\r\f]*\S[^\n\r\f]*", text)]


def split_cells(text: str, line: Cell) -> list[Cell]:
    """The cells of a line: its pieces between tabs, bars and runs of two or more spaces."""
    return [
        _trim(text, line.start + match.start(), line.start + match.end())
        for match in re.finditer(r"\S+(?:[ \u00a0]\S+)*", line.text)
    ]


def _trim(text: str, start: int, end: int) -> Cell:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return Cell(text=text[start:end], start=start, end=end)
