"""A denial letter seen as rows and cells, and the one question every rule asks: which value stands at this label.

A value stands after its label on the same row, in the next cell, in the row below, in the column below a table heading, or at
the same place in a list of values that follows a list of labels. A place counts only if the value has the form that the field
requires, which is what keeps "Member ID card" and a neighbouring heading from being read as values.
"""

from __future__ import annotations

import bisect
import functools
import re
from collections.abc import Callable, Iterator

import msgspec

from backstay.offline.date import DateMention
from backstay.offline.denial_day import find_days
from backstay.offline.denial_screen import screen
from backstay.offline.finding import Finding
from backstay.offline.text import Cell, split_cells, split_lines

Form = Callable[[int, int], tuple[int, int] | None]
"""Reads a value that begins at `start` and ends before `limit`; the value's span, or None when the text has another form."""

_SEPARATOR = re.compile(
    r"\s{0,2}(?:\([^)\n]{0,40}\))?(?:[ ]?(?:numbers?|nos?\b\.?|num\b\.?|code|#|id\b))?(?:\([^)\n]{0,40}\))?"
    r"(?:[ ]?\(s\))?[ ]?(?:[:#=.]+|-(?=[ ])|is:?\b|was\b|of\b)?[ ]?#?[ ]?",
    re.I,
)
# A line wraps inside a label only before a small letter; a capital begins another label.
_GAP = r"(?:[ ./-]{1,3}|[ ]?\n(?=(?-i:[a-z])))"
_RULE_LINE = re.compile(r"[\s\-=_+:.|~*]*")
_LABEL_END = re.compile(r"[:#]\s*$")
# A full stop ends a sentence unless it ends a title or an abbreviation.
SENTENCE_MARK = r"(?<=[a-z0-9)\"%])(?<!\bDr)(?<!\bMr)(?<!\bMs)(?<!Mrs)(?<!\bSt)(?<!\bNo)"
_SENTENCE_BREAK = re.compile(rf"{SENTENCE_MARK}[.!?][\"')]*\s+(?=[\"'(]?[A-Z])|\n[ \t]*\n\s*|\f\s*|:\s*\n\s*")
_LONG_SENTENCE = 800
_MAX_LIST = 20
_PAIRED = 4
_MAX_ROWS = 40


class Hit(msgspec.Struct, frozen=True):
    """A value at a label: its span, the label's span and where it stood (`same`, `right`, `below`, `column`, `list`)."""

    start: int
    end: int
    label_start: int
    label_end: int
    place: str


class Conflict(msgspec.Struct, frozen=True):
    """Different values that the letter prints for one field."""

    field: str
    values: tuple[str, ...]


class Reading(msgspec.Struct, frozen=True):
    """What one family of rules read: findings by path, and contradictions."""

    fields: dict[str, Finding]
    conflicts: tuple[Conflict, ...] = ()


class Letter:
    """A screened letter with its rows, cells and dates; places are places of the source text."""

    def __init__(self, source: str, *, keep_afterword: bool = False) -> None:
        screened = screen(source, keep_afterword=keep_afterword)
        self.source = source
        self.text = screened.text
        self.warnings = screened.warnings
        self.afterword = screened.afterword
        self.rows = split_lines(self.text)
        self.cells = [split_cells(self.text, row) for row in self.rows]
        self._breaks = [match.end() for match in _SENTENCE_BREAK.finditer(self.text)]
        self._starts = [row.start for row in self.rows]

    @functools.cached_property
    def dates(self) -> list[DateMention]:
        """Every date of the letter, in order."""
        return find_days(self.text)

    def row_at(self, place: int) -> int:
        """The number of the row that holds a place."""
        return max(0, bisect.bisect_right(self._starts, place) - 1)

    def sentence(self, place: int) -> tuple[int, int]:
        """The span of the sentence around a place; a blank line, a form feed or a full stop before a capital ends it."""
        rank = bisect.bisect_right(self._breaks, place)
        start = self._breaks[rank - 1] if rank else 0
        end = self._breaks[rank] if rank < len(self._breaks) else len(self.text)
        return max(start, place - _LONG_SENTENCE), min(end, place + _LONG_SENTENCE)

    def hits(self, label: re.Pattern[str], form: Form, *, is_wordy: bool = False) -> Iterator[Hit]:
        """Every value of the given form at the label, in reading order.

        Words have no form of their own, so a wordy value is not sought beside a table heading or past other text on its row.
        """
        for match in label.finditer(self.text):
            yield from self._at_label(match.start(), match.start() + len(match.group().rstrip()), form, is_wordy)

    def _at_label(self, start: int, end: int, form: Form, is_wordy: bool) -> Iterator[Hit]:
        number = self.row_at(end - 1)
        cells = self.cells[number]
        index = next((i for i, cell in enumerate(cells) if cell.start < end <= cell.end), 0)
        cell = cells[index]
        separator = _SEPARATOR.match(self.text, end, self.rows[number].end)
        after = separator.end() if separator else end
        if found := form(after, self.rows[number].end):
            yield Hit(*found, start, end, "same")
        elif after >= cell.end or _LABEL_END.search(self.text, start, cell.end):
            if not is_wordy:
                yield from self._elsewhere(number, index, (start, end), form)
            elif len(cells) > index + 1 and (
                len(cells) == 2 or _LABEL_END.search(cell.text) or self._is_pairs(number, index)
            ):
                if found := form(cells[index + 1].start, cells[index + 1].end):
                    yield Hit(*found, start, end, "right")
            else:
                yield from self._below(number, index, (start, end), form)

    def _is_pairs(self, number: int, index: int) -> bool:
        """Whether a row of four cells is two labels with their values: it or a neighbour has a figure in a value's place."""
        if len(self.cells[number]) != _PAIRED or index % 2:
            return False
        near = [cells for cells in self.cells[max(0, number - 1) : number + 2] if len(cells) == _PAIRED]
        figures = [[any(char.isdigit() for char in cell.text) for cell in cells] for cells in near]
        return any(row[1] or row[3] for row in figures) and not any(row[0] or row[2] for row in figures)

    def _elsewhere(self, number: int, index: int, label: tuple[int, int], form: Form) -> Iterator[Hit]:
        cells = self.cells[number]
        if index + 1 < len(cells) and (found := form(cells[index + 1].start, cells[index + 1].end)):
            yield Hit(*found, *label, "right")
            return
        yield from self._below(number, index, label, form)

    def _below(self, number: int, index: int, label: tuple[int, int], form: Form) -> Iterator[Hit]:
        cells = self.cells[number]
        column = list(self._column(number, index, form))
        if column:
            place = "column" if len(cells) > 1 else "below"
            yield from (Hit(*found, *label, place) for found in column)
        elif found := self._in_list(number, form):
            yield Hit(*found, *label, "list")

    def _column(self, number: int, index: int, form: Form) -> Iterator[tuple[int, int]]:
        """Values under a heading: all rows of the table, or the one row below a label that stands alone."""
        heading = self.cells[number]
        is_table = len(heading) > 1
        for row in range(number + 1, min(number + 1 + (_MAX_ROWS if is_table else 1), len(self.rows))):
            if _RULE_LINE.fullmatch(self.rows[row].text):
                continue
            if is_table and row > number + 1 and self._gap(row):
                return
            cell = self.under_heading(heading[index], self.cells[row], index, len(heading))
            if cell is not None and (found := form(cell.start, cell.end)):
                yield found

    def _gap(self, row: int) -> bool:
        """Whether a blank line or a page break stands before a row."""
        return self.text.count("\n", self.rows[row - 1].end, self.rows[row].start) > 1 or (
            "\f" in self.text[self.rows[row - 1].end : self.rows[row].start]
        )

    def under_heading(self, heading: Cell, cells: list[Cell], index: int, width: int) -> Cell | None:
        """The cell of another row in the column of this one: by bars, by number when both rows are complete, else by position."""
        if (bars := self._bars(heading.start)) or self._bars(cells[-1].start):
            return next((cell for cell in cells if self._bars(cell.start) == bars), None)
        if len(cells) == width:
            return cells[index]
        left = self.column_of(heading.start)
        right = left + len(heading.text)
        touching = [
            c for c in cells if self.column_of(c.start) < right + 2 and self.column_of(c.start) + len(c.text) > left - 2
        ]
        return min(touching, key=lambda c: abs(self.column_of(c.start) - left), default=None)

    def _bars(self, place: int) -> int:
        """How many tabs (bars, once screened) stand before a place on its line."""
        return self.text.count("\t", self.text.rfind("\n", 0, place) + 1, place)

    def column_of(self, place: int) -> int:
        """The number of characters before a place on its line."""
        return place - (self.text.rfind("\n", 0, place) + 1)

    def _in_list(self, number: int, form: Form) -> tuple[int, int] | None:
        """The value at the same rank, when bare labels stand one under the other and their values follow as a block."""
        first = last = number
        while first > max(0, number - _MAX_LIST) and _LABEL_END.search(self.rows[first - 1].text):
            first -= 1
        while last + 1 < min(len(self.rows), number + _MAX_LIST) and _LABEL_END.search(self.rows[last + 1].text):
            last += 1
        target = last + 1 + number - first
        if last == first or target >= len(self.rows):
            return None
        return form(self.rows[target].start, self.rows[target].end)

    def trim(self, start: int, end: int) -> tuple[int, int]:
        """A span without the space at its ends."""
        text = self.text[start:end]
        return start + len(text) - len(text.lstrip()), end - len(text) + len(text.rstrip())

    def quote(self, start: int, end: int, confidence: float, rule: str) -> Finding:
        """A finding whose value is the source text of a span, without the space at its ends."""
        start, end = self.trim(start, end)
        return Finding(value=self.source[start:end], confidence=confidence, start=start, end=end, rule=rule)

    def matching(self, pattern: re.Pattern[str]) -> Form:
        """A form that a pattern describes; group `value` is the value where the pattern has one."""

        def read(start: int, limit: int) -> tuple[int, int] | None:
            match = pattern.match(self.text, start, limit)
            if match is None:
                return None
            return match.span("value") if "value" in pattern.groupindex else match.span()

        return read


def labels(*names: str) -> re.Pattern[str]:
    """A pattern for label names.

    A space in a name stands for blanks, dots, dashes, slashes or a wrapped line, and `" ?"` for none of them too; for that
    reason a name holds no space in a character class.
    """
    joined = re.sub(r" (\?)?", lambda match: "[ ./-]{0,3}" if match[1] else _GAP, "|".join(names))
    return re.compile(rf"(?<![\w-])(?:{joined})(?![\w])", re.I)


def bare(*names: str) -> re.Pattern[str]:
    """A pattern for label names that mean something else after another word: "date", but not "service date"."""
    return re.compile(rf"(?<![A-Za-z,/] )(?<![A-Za-z]/){labels(*names).pattern}", re.I)


def absent(reason: str) -> Finding:
    """The finding of a field that the letter lacks, with the reason."""
    return Finding(value=None, confidence=0.0, rule="absent", reason=reason)
