"""Hint: a document's values read where its layout says that they stand, each with its place in the text."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Final, NamedTuple

from backstay.kits.invoices.layout import Form, Hint, Kind, Layout
from backstay.offline.amount import format_amount, guess_decimal_mark, parse_amount
from backstay.offline.date import find_dates, parse_date
from backstay.offline.finding import Finding

HINT_CONFIDENCE: Final = 0.9
GAP: Final = re.compile(r"[ \t]{2,}|\t")


class View(NamedTuple):
    """A text as patterns see it, and for each of its characters the place in the text itself."""

    text: str
    places: Sequence[int]

    def span(self, start: int, end: int) -> tuple[int, int]:
        """The place in the text itself of view.text[start:end], which is not empty."""
        return self.places[start], self.places[end - 1] + 1


class Spot(NamedTuple):
    """What was found for a hint: its words, and where they stand; no place for what is added up or fixed."""

    words: str
    start: int | None
    end: int | None


def view(text: str, form: Form) -> View:
    """`text` as the layout's form has it."""
    if form == Form():
        return View(text, range(len(text)))
    chars: list[str] = []
    places: list[int] = []
    for place, char in enumerate(text):
        if form.is_squeezed and char.isspace():
            continue
        seen = unicodedata.normalize("NFKD", char) if form.is_plain else char
        seen = "".join(one for one in seen if not unicodedata.combining(one)) if form.is_plain else seen
        seen = seen.lower() if form.is_lower else seen
        chars.append(seen)
        places += [place] * len(seen)
    return View("".join(chars), places)


def read_fields(layout: Layout, text: str) -> dict[str, Finding]:
    """The fields that the layout's hints lead to, each with its place; a hint that leads nowhere gives nothing."""
    lines = [(found.start(), found[0]) for found in re.finditer(r"[^\n]+", text)]
    seen = view(text, layout.form)
    findings: dict[str, Finding] = {}
    for hint in layout.fields:
        if hint.name in findings:
            continue
        for spot in _spots(hint, text, lines, seen):
            value = _read(layout, hint, text, spot)
            if value is not None:
                findings[hint.name] = Finding(
                    value=value,
                    confidence=HINT_CONFIDENCE,
                    start=spot.start,
                    end=spot.end,
                    rule=f"layout:{layout.name}",
                    reason=None if spot.start is not None else f"the layout {layout.name} says so",
                )
                break
    return findings


def _spots(hint: Hint, text: str, lines: Sequence[tuple[int, str]], seen: View) -> Iterator[Spot]:
    """The places that a hint leads to, the likeliest first."""
    if hint.place == "fixed":
        at = text.find(hint.value)
        yield Spot(hint.value, *((at, at + len(hint.value)) if at >= 0 else (None, None)))
    elif hint.place == "pattern":
        yield from _matches(hint, seen)
    else:
        for number, (start, line) in enumerate(lines):
            at = word_at(hint.label.lower(), line.lower())
            if at >= 0:
                behind = at + len(hint.label)
                found = _right(start, line, behind) if hint.place == "right" else _below(lines[number + 1 :], at)
                if found is not None:
                    yield Spot(text[found[0] : found[1]], *found)


def _matches(hint: Hint, seen: View) -> Iterator[Spot]:
    found = []
    for pattern in hint.patterns:
        match = re.search(pattern, seen.text)
        if match is None:
            continue
        group = 1 if match.re.groups and match[1] is not None else 0
        if match[group]:
            found.append(Spot(match[group].strip(), *seen.span(*match.span(group))))
    if hint.is_sum and len(found) > 1:
        yield Spot("\n".join(spot.words for spot in found), None, None)
    else:
        yield from found


def _read(layout: Layout, hint: Hint, text: str, spot: Spot) -> str | None:
    if hint.is_sum and spot.start is None:
        parts = [_amount(layout, text, words) for words in spot.words.split("\n")]
        known = [part for part in parts if part is not None]
        return format_amount(sum(known, Decimal(0))) if len(known) == len(parts) else None
    return read_value(hint.reads, text, spot, layout)


def read_value(kind: Kind, text: str, spot: Spot, layout: Layout) -> str | None:
    """The cell as a field of this kind has it: an ISO date, a decimal, or the words; None where it is none.

    How a day and a month, or a thousand and a decimal, are told apart is a matter of the layout, else of the whole document.
    """
    if kind == "date":
        days = set()
        if spot.start is not None and spot.end is not None:
            found = find_dates(text, day_first=layout.day_first)
            days = {date.value for date in found if spot.start <= date.start and date.end <= spot.end}
        if not days:
            return parse_date(spot.words, day_first=layout.day_first is not False)
        return days.pop() if len(days) == 1 else None
    if kind == "amount":
        number = _amount(layout, text, spot.words)
        return None if number is None else format_amount(number)
    return spot.words.strip() or None


def _amount(layout: Layout, text: str, words: str) -> Decimal | None:
    return parse_amount(words, decimal_mark=layout.decimal_mark or guess_decimal_mark(text))


def word_at(part: str, text: str) -> int:
    """Where `part` stands in `text` with neither a letter nor a digit beside it; -1 where it does not."""
    at = text.find(part)
    while at >= 0:
        before, behind = text[at - 1 : at] if at else "", text[at + len(part) : at + len(part) + 1]
        if not (before.isalnum() and part[:1].isalnum()) and not (behind.isalnum() and part[-1:].isalnum()):
            return at
        at = text.find(part, at + 1)
    return -1


def _right(start: int, line: str, behind: int) -> tuple[int, int] | None:
    """The cell behind a label: up to the next gap of two spaces."""
    rest = line[behind:]
    skipped = len(rest) - len(rest.lstrip(" :.\t#"))
    cell = GAP.split(rest[skipped:], maxsplit=1)[0].rstrip()
    return (start + behind + skipped, start + behind + skipped + len(cell)) if cell else None


def _below(lines: Sequence[tuple[int, str]], column: int) -> tuple[int, int] | None:
    """The cell at `column` of the next line that is not empty."""
    for start, line in lines:
        if not line.strip():
            continue
        for cell in re.finditer(r"\S+(?: \S+)*", line):
            if cell.end() > column:
                return start + cell.start(), start + cell.end()
        return None
    return None
