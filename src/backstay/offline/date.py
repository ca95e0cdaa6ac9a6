"""Dates as documents print them, as ISO strings, with the order of day and month decided by evidence.

`25/12/2018`, `18-11-18`, `2018-03-23`, `5 July 2026`, `Jul 5, 2026`, `24. Januar 2014`, `1er juillet 2015`. Where day and
month could be swapped, another date of the same document that can be read in only one way decides; after it an address in
the United States or an unexplained dollar sign; otherwise the day stands first, as in most of the world.
"""

from __future__ import annotations

import datetime as dt
import re

import msgspec

from backstay.offline.currency import find_currency
from backstay.offline.lexicon import MONTHS, US_STATES
from backstay.offline.text import fold

_NUMERIC = r"(?P<a>\d{1,2})(?P<sep>[ ]?[-/.][ ]?)(?P<b>\d{1,2})(?P=sep)(?P<y>\d{4}|\d{2})"
_ISO = r"(?P<iy>(?:19|20)\d{2})(?P<isep>[-/.])(?P<im>\d{1,2})(?P=isep)(?P<id>\d{1,2})"
_MONTH = r"(?:[^\W\d_][\u0300-\u036f]?){3,12}"
_DAY_FIRST = (
    rf"(?P<d1>\d{{1,2}})(?:st|nd|rd|th|er|º|°|\.|ª)?[ \-/]*(?:de |of |d'|d’)?(?P<m1>{_MONTH})\.?[ ,\-/']*(?:de |del )?"
    r"(?P<y1>\d{4}|\d{2}(?![\d:]))"
)
_MONTH_FIRST = rf"(?P<m2>{_MONTH})\.?[ \-/]?(?P<d2>\d{{1,2}})(?:st|nd|rd|th)?[ ,\-/]+(?P<y2>\d{{4}}|\d{{2}}(?![\d:]))"
_CJK = r"(?P<cy>\d{4})年(?P<cm>\d{1,2})月(?P<cd>\d{1,2})日"
_DATE = re.compile(
    rf"(?<![\d])(?<!\d[.,])(?:{_ISO}|{_NUMERIC}|{_DAY_FIRST}|{_CJK})(?!\d)|(?<![^\W_]){_MONTH_FIRST}(?!\d)", re.I
)
_NUMERIC_DATE = re.compile(rf"(?<!\d)(?<!\d[.,]){_NUMERIC}(?!\d)")
_COMPACT = re.compile(r"(?<![\d.,/-])((?:19|20)\d{2})(0[1-9]|1[0-2])([0-2]\d|3[01])(?![\d/-])")
_US_ADDRESS = re.compile(rf"\b(?:{'|'.join(sorted(US_STATES))})\s+\d{{5}}(?:-\d{{4}})?\b")
_US_NAME = re.compile(r"\b(?:United States|USA|U\.S\.A\.)\b")
# Two-digit years: POSIX strptime puts 69-99 into the twentieth century.
_CENTURY_PIVOT = 69


class DateMention(msgspec.Struct, frozen=True, kw_only=True):
    """A date found in a text: ISO value, place, and whether its day and month are beyond doubt."""

    value: str
    start: int
    end: int
    is_certain: bool


def parse_date(text: str, *, day_first: bool = True) -> str | None:
    """The ISO date of the one date in `text`, or None when there is none or more than one."""
    found = find_dates(text, day_first=day_first) or find_compact_dates(text)
    return found[0].value if len(found) == 1 else None


def find_dates(text: str, *, day_first: bool | None = None) -> list[DateMention]:
    """Every valid date of `text`, in order; `day_first` overrides what the document itself says about ambiguous ones."""
    order = find_order(text) if day_first is None else (day_first, True)
    found: list[DateMention] = []
    match = _DATE.search(text)
    while match is not None:
        mention = _read(match, order)
        if mention is not None:
            found.append(mention)
        # What only looked like a date (`Datum 11-02`) may hide one that begins inside it.
        match = _DATE.search(text, match.end() if mention is not None else match.start() + 1)
    return found


def find_compact_dates(text: str) -> list[DateMention]:
    """Every eight-digit date (`20180304`); apart from the others because many numbers of documents look like one."""
    found = (_compact(match) for match in _COMPACT.finditer(text))
    return [mention for mention in found if mention is not None]


def find_order(text: str) -> tuple[bool, bool]:
    """Whether an ambiguous numeric date of this document begins with the day, and whether the document says so."""
    first = second = 0
    for match in _NUMERIC_DATE.finditer(text):
        first += int(match["a"]) > 12
        second += int(match["b"]) > 12 >= int(match["a"])
    if first != second:
        return first > second, True
    if _US_ADDRESS.search(text) or _US_NAME.search(text):
        return False, True
    currency = find_currency(text)
    if "$" in text and currency.value == "USD":
        return False, False
    return True, currency.value not in (None, "USD")


def _read(match: re.Match[str], order: tuple[bool, bool]) -> DateMention | None:
    year, month, day, certain = _parts(match, order)
    if year < 100:
        year += 1900 if year >= _CENTURY_PIVOT else 2000
    try:
        value = dt.date(year, month, day).isoformat()
    except ValueError:
        return None
    return DateMention(value=value, start=match.start(), end=match.end(), is_certain=certain)


def _compact(match: re.Match[str]) -> DateMention | None:
    try:
        value = dt.date(int(match[1]), int(match[2]), int(match[3])).isoformat()
    except ValueError:
        return None
    return DateMention(value=value, start=match.start(), end=match.end(), is_certain=True)


def _parts(match: re.Match[str], order: tuple[bool, bool]) -> tuple[int, int, int, bool]:
    if match["iy"]:
        return int(match["iy"]), int(match["im"]), int(match["id"]), True
    if match["cy"]:
        return int(match["cy"]), int(match["cm"]), int(match["cd"]), True
    if match["a"]:
        a, b = int(match["a"]), int(match["b"])
        # No country writes the month first with dots.
        is_swappable = a <= 12 and b <= 12 and a != b and "." not in match["sep"]
        day, month = (b, a) if (b > 12 or (is_swappable and not order[0])) else (a, b)
        return int(match["y"]), month, day, order[1] or not is_swappable
    form = "1" if match["m1"] else "2"
    return int(match["y" + form]), MONTHS.get(fold(match["m" + form]), 0), int(match["d" + form]), True
