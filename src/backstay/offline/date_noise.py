"""Dates as text recognition spoils them: letters for digits, a time without a space before it, a strange or uneven separator.

`O5/1O/2018`, `03/02/201814:22`, `21 /08/2018`, `14,03,2018`, `19\\07\\2018`, and behind its label `24 12 16`. What is read here
was mended, so a reader takes it only where no clean date stands, or where a clean one is but the rest of it (`l2/03/2018`), and
is less sure of it.
"""

from __future__ import annotations

import re
from typing import Final

from backstay.offline.date import DateMention, find_dates, find_order

LIKE: Final = {
    "O": "0",
    "o": "0",
    "Q": "0",
    "D": "0",
    "l": "1",
    "I": "1",
    "i": "1",
    "|": "1",
    "Z": "2",
    "S": "5",
    "B": "8",
}
"""What a digit is misread as, and the digit."""

LEAST_DIGITS: Final = 4
"""A date has six digits or eight; with fewer than these the letters are more likely a word."""

_DIGITS: Final = str.maketrans(LIKE)
_TWO: Final = r"[\dOoQDlIi|ZSB]{1,2}"
_YEAR: Final = r"(?:[12lIZ][\dOoQDlIi|ZSB]{3}|[\dOoQDlIi|ZSB]{2})"
_END: Final = r"(?![-/.,\\]\d)(?=\d{1,2}:[\dOo]{2}|[^\w]|_|$|[Tt]\d)"
_SPOILT: Final = re.compile(
    rf"(?<![^\W_])(?<!\d[-/.,\\])(?P<a>{_TWO})(?P<s>[ ]?(?P<mark>[-/.,\\])[ ]?)(?P<b>{_TWO})[ ]?(?P=mark)[ ]?(?P<y>{_YEAR}){_END}"
)
_YEAR_FIRST: Final = re.compile(
    rf"(?<![^\W_])(?P<y>[12lIZ][\dOoQDlIi|ZSB]{{3}})[ ]?(?P<mark>[-/.])[ ]?(?P<b>{_TWO})[ ]?(?P=mark)[ ]?(?P<a>{_TWO}){_END}"
)
_SPACED: Final = re.compile(
    r"(?i:\b(?:date|datum|fecha|data|tarikh)\b)[ ]?[:.]?[ ]{0,3}"
    r"(?P<a>\d{2})[ ](?P<mark>)(?P<b>\d{2})[ ](?P<y>\d{2}|(?:19|20)\d{2})(?!\w)"
)


_STAMP: Final = re.compile(
    r"(?<![\d.,/-])(?P<y>20\d{2})(?P<m>0[1-9]|1[0-2])(?P<d>[0-2]\d|3[01])(?=[/ _T-]?(?:[01]\d|2[0-3])[0-5]\d(?:[0-5]\d)?(?!\d))"
)
"""A day and a time without marks in them: `20180428/191204`."""


def find_stamps(text: str) -> list[DateMention]:
    """The days of a till's time stamps. A number that goes on with a time of day is little else."""
    found = []
    for match in _STAMP.finditer(text):
        mentions = find_dates(f"{match['y']}-{match['m']}-{match['d']}")
        found += [
            DateMention(value=one.value, start=match.start(), end=match.end(), is_certain=True) for one in mentions
        ]
    return found


def mend_dates(text: str, found: list[DateMention]) -> list[DateMention]:
    """`found`, the clean dates of `text`, with spoilt ones in their place: all of them where there is no clean one, else those
    that a clean one is the rest of. A mended date is never certain."""
    spoilt = _find(text)
    if not found:
        return spoilt
    whole = {one.end: one for one in spoilt}
    return [other if (other := whole.get(one.end)) is not None and other.start < one.start else one for one in found]


def _find(text: str) -> list[DateMention]:
    is_day_first, _ = find_order(text)
    found: dict[int, DateMention] = {}
    for pattern in (_SPOILT, _YEAR_FIRST, _SPACED):
        for match in pattern.finditer(text):
            value = _value(match, is_day_first=is_day_first)
            if value is not None:
                start = match.start("y") if pattern is _YEAR_FIRST else match.start("a")
                found.setdefault(start, DateMention(value=value, start=start, end=match.end(), is_certain=False))
    return [found[start] for start in sorted(found)]


def _value(match: re.Match[str], *, is_day_first: bool) -> str | None:
    year, one, other = match["y"], match["a"], match["b"]
    if match["mark"] == "," and len(year) < 4:  # two amounts side by side look like that
        return None
    if sum(char.isdigit() for char in year + one + other) < LEAST_DIGITS:
        return None
    a, b, y = (part.translate(_DIGITS) for part in (one, other, year))
    mark = "." if match["mark"] == "." else "/"
    clean = f"{y}-{b}-{a}" if match.start("y") < match.start("a") else mark.join((a, b, y))
    mentions = find_dates(clean, day_first=is_day_first)
    return mentions[0].value if len(mentions) == 1 else None
