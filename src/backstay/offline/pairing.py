"""Labels paired with values, in text laid out in rows and in text that lists labels first and their values after.

Three ways, from sure to unsure: the value stands right of its label; it stands under it in the same column; or a run of bare
labels is followed (or preceded) by a run of values, as column-wise PDF text has it, and the two runs are aligned so that the
kinds fit: a date under a date's label, an amount under an amount's. Every pair carries its way as a score; who uses the pairs
weighs them with whatever else the document says.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator

import msgspec

from backstay.offline.amount import Amount, find_amounts
from backstay.offline.date import DateMention, find_dates
from backstay.offline.label import Label, find_labels
from backstay.offline.text import Cell, split_cells, split_lines

RIGHT, NEAR, BELOW, ALIGNED, LOOSE, REVERSED, DOUBTFUL = 1.0, 0.8, 0.85, 0.75, 0.5, 0.6, 0.3
AMOUNT_KINDS = frozenset(["net", "tax", "gross", "payable", "line_total", "prepaid", "adjustment"])
DATE_KINDS = frozenset(["issue_date", "date", "due_date", "other_date"])
NUMBER_KINDS = frozenset(["number", "other_number", "title"])
# An identifier: letters and digits with at least one digit, perhaps after a short prefix in capitals.
IDENTIFIER = re.compile(r"(?:[A-Z]{1,5}[ ](?=\d))?(?=[^\s:;,]*\d)[^\W_][\w/.\-#]*(?:[\w]|(?<=\d))", re.UNICODE)
_FILLER = re.compile(r"^[\s:.#=\-–()\[\]€$£*|]*(?:[A-Z]{3}|RM|Rs\.?|zł)?[\s:.€$£)\]-]*$")
_MAX_RUN = 24
_MAX_SKIP = 2


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the document with what was found in it; places are those of the whole text."""

    line: Cell
    cells: tuple[Cell, ...]
    labels: tuple[Label, ...]
    dates: tuple[DateMention, ...]
    amounts: tuple[Amount, ...]
    column: int

    @property
    def is_bare(self) -> bool:
        """Labels and nothing else: their values stand elsewhere."""
        if self.dates or self.amounts:
            return False
        if self.labels:
            rest = self.line.text[self.labels[-1].end - self.line.start :]
            return not re.search(r"\d", rest) and len(rest) < 30
        return self.line.text.endswith(":") and not re.search(r"\d", self.line.text)


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """A label's kind with a value and how well the two fit; `value` is a `DateMention`, an `Amount` or a `Cell`."""

    kind: str
    value: DateMention | Amount | Cell
    score: float
    label_start: int


def read_rows(text: str) -> list[Row]:
    """The rows of a document, each with its labels, dates and money."""
    lines = split_lines(text)
    starts = [line.start for line in lines]
    dates: list[list[DateMention]] = [[] for _ in lines]
    amounts: list[list[Amount]] = [[] for _ in lines]
    for date in find_dates(text):
        dates[max(bisect_right(starts, date.start) - 1, 0)].append(date)
    for amount in money(find_amounts(text)):
        inside = max(bisect_right(starts, amount.start) - 1, 0)
        if not any(date.start <= amount.start < date.end for date in dates[inside]):
            amounts[inside].append(amount)
    return [
        Row(
            line=line,
            cells=tuple(split_cells(text, line)),
            labels=tuple(find_labels(line.text, offset=line.start)),
            dates=tuple(dates[i]),
            amounts=tuple(amounts[i]),
            column=line.start - (text.rfind("\n", 0, line.start) + 1),
        )
        for i, line in enumerate(lines)
    ]


def money(amounts: Iterable[Amount]) -> list[Amount]:
    """The amounts that look like money: two decimals, or a currency sign before a whole number."""
    return [a for a in amounts if not a.is_percent and (a.decimals == 2 or (a.has_currency and a.decimals == 0))]


def pair_labels(rows: list[Row]) -> list[Pair]:
    """Every label of the document with every value it may stand for."""
    pairs: list[Pair] = []
    for i, row in enumerate(rows):
        for position, label in enumerate(row.labels):
            pairs.extend(_right(row, position, label))
            if i + 1 < len(rows):
                pairs.extend(_below(rows, i, label))
    pairs.extend(_blocks(rows))
    return pairs


def _right(row: Row, position: int, label: Label) -> Iterator[Pair]:
    """The value right of a label, before the next label of its line; of several amounts the last."""
    following = [other.start for other in row.labels[position + 1 :] if other.start > label.end]
    end = following[0] if following else row.line.end
    inside: list[DateMention | Amount | Cell] = []
    if label.kind in DATE_KINDS:
        dates = [date for date in row.dates if label.end <= date.start < end]
        inside.extend(dates if label.kind == "other_date" else dates[:1])
    elif label.kind in AMOUNT_KINDS:
        inside.extend([amount for amount in row.amounts if label.end <= amount.start < end][-1:])
    elif label.kind in NUMBER_KINDS:
        inside.extend(
            _identifiers(row, label.end, end)[:1] or (_date_like(row, label.end) if label.kind == "number" else [])
        )
    for value in inside:
        gap = row.line.text[label.end - row.line.start : value.start - row.line.start]
        score = RIGHT if _FILLER.match(gap) or (label.kind in AMOUNT_KINDS and "%" in gap) else NEAR
        yield Pair(
            kind=label.kind, value=value, score=score - 0.005 * min(len(gap.strip()), 40), label_start=label.start
        )


def _identifiers(row: Row, start: int, end: int) -> list[Cell]:
    text = row.line.text
    found = []
    for match in IDENTIFIER.finditer(text, start - row.line.start, end - row.line.start):
        cell = Cell(text=match[0], start=row.line.start + match.start(), end=row.line.start + match.end())
        if not any(date.start <= cell.start < date.end for date in row.dates) and not _is_number_with_cents(cell.text):
            found.append(cell)
    return found


def _date_like(row: Row, start: int) -> list[Cell]:
    """A number that is written like a date (`Faktura nr 12/02/2026`), right after its label."""
    gap = row.line.text[start - row.line.start :]
    lead = len(gap) - len(gap.lstrip(" .:#°º"))
    return [
        Cell(
            text=row.line.text[date.start - row.line.start : date.end - row.line.start], start=date.start, end=date.end
        )
        for date in row.dates
        if date.start == start + lead
    ]


def _is_number_with_cents(text: str) -> bool:
    return bool(re.fullmatch(r"[\d.]*\d[.,]\d{2}", text)) and len(text) < 12


def _below(rows: list[Row], i: int, label: Label) -> Iterator[Pair]:
    """The value under a label in the same column, when both rows have columns or each is one piece."""
    row = rows[i]
    cell = next((cell for cell in row.cells if cell.start <= label.start < cell.end), None)
    if cell is None or re.search(r"\d", cell.text[label.end - cell.start :]):
        return
    left = row.column + cell.start - row.line.start
    for distance, under in enumerate(rows[i + 1 : i + 4]):
        for other in under.cells:
            begin = under.column + other.start - under.line.start
            is_under = begin < left + len(cell.text) + 2 and left < begin + len(other.text) + 2
            if is_under and (len(row.cells) > 1 or (distance == 0 and not _in_run(rows, i))):
                yield from _values_of(under, other, label, BELOW - 0.1 * distance)


def _in_run(rows: list[Row], i: int) -> bool:
    """Whether a bare row has a bare neighbour, so that its value is a matter of alignment."""
    return (i > 0 and rows[i - 1].is_bare) or (i + 1 < len(rows) and rows[i + 1].is_bare)


def _values_of(row: Row, cell: Cell, label: Label, score: float) -> Iterator[Pair]:
    values: list[DateMention | Amount | Cell] = []
    if label.kind in DATE_KINDS:
        values.extend(date for date in row.dates if cell.start <= date.start < cell.end)
    elif label.kind in AMOUNT_KINDS:
        values.extend(amount for amount in row.amounts if cell.start <= amount.start < cell.end)
    elif label.kind in NUMBER_KINDS and not any(cell.start <= other.start < cell.end for other in row.labels):
        values.extend(_identifiers(row, cell.start, cell.end)[:1])
    for value in values[:1]:
        yield Pair(kind=label.kind, value=value, score=score, label_start=label.start)


def _blocks(rows: list[Row]) -> Iterator[Pair]:
    """Pairs from each run of bare labels and the run of values after it, or before it."""
    i = 0
    while i < len(rows):
        run = _run_of_labels(rows, i)
        if not run:
            i += 1
            continue
        end = i + len(run)
        yield from _align(run, _run_of_values(rows[end : end + _MAX_RUN]), LOOSE, ALIGNED)
        before = _run_of_values(rows[max(0, i - len(run)) : i][::-1])[::-1]
        yield from _align(run, before, DOUBTFUL, REVERSED)
        i = end


def _run_of_labels(rows: list[Row], start: int) -> list[Row]:
    """Consecutive bare rows; a line without digits between two of them is a label that the lexicon does not know."""
    run: list[Row] = []
    for i, row in enumerate(rows[start : start + _MAX_RUN], start):
        is_unknown = bool(run) and i + 1 < len(rows) and rows[i + 1].is_bare and not re.search(r"\d", row.line.text)
        if len(row.cells) > 1 or not (row.is_bare or (is_unknown and len(row.line.text) < 30)):
            break
        run.append(row)
    return run


def _run_of_values(rows: list[Row]) -> list[Row]:
    run: list[Row] = []
    for row in rows:
        if row.labels and not (row.dates or row.amounts):
            break
        run.append(row)
    return run


def _align(labels: list[Row], values: list[Row], loose: float, tight: float) -> Iterator[Pair]:
    """Pair two runs at the offset where most kinds fit; `tight` when every typed label got its kind.

    A title may stand before the labels and a unit before the values, so a few rows of either may be left out.
    """
    best, matched = 0, list[tuple[Row, Row]]()
    for shift in range(len(labels)):
        for skip in range(min(_MAX_SKIP, len(values)) + 1 if shift == 0 else 1):
            rows = list(zip(labels[shift:], values[skip:], strict=False))
            fit = sum(_fits(label, value) for label, value in rows)
            if fit > best:
                best, matched = fit, rows
    if best == 0:
        return
    typed = sum(_kind_of(label) is not None and label.labels[0].kind != "other_number" for label, _ in matched)
    is_contradicted = any(_fits(label, value) < 0 for label, value in matched)
    score = tight if best == typed and len(matched) > 1 else DOUBTFUL if is_contradicted else loose
    for label_row, value_row in matched:
        if _fits(label_row, value_row) > 0 and label_row.labels:
            yield from _values_of(value_row, value_row.line, label_row.labels[0], score)


def _kind_of(row: Row) -> str | None:
    kind = row.labels[0].kind if row.labels else ""
    if kind in DATE_KINDS:
        return "date"
    if kind in AMOUNT_KINDS:
        return "amount"
    return "number" if kind in ("number", "other_number", "title") else None


def _fits(label: Row, value: Row) -> int:
    """One when the value row holds what the label asks for, minus one when it holds something else, zero when unknown."""
    kind = _kind_of(label)
    if kind == "date":
        return 1 if value.dates else -1
    if kind == "amount":
        return 1 if value.amounts else -1
    if value.dates and kind is not None:
        return -1
    if kind == "number" and not value.amounts and label.labels[0].kind != "other_number":
        found = _identifiers(value, value.line.start, value.line.end)
        is_number = bool(found) and (label.labels[0].kind == "number" or len(found[0].text) > 3)
        return 1 if is_number else -1 if label.labels[0].kind == "number" else 0
    return 0
