"""Quantity: the numbers of a text, in digits and in words, each under every value that it may stand for.

"1,200.00" is 1200, "€76.25 million" 76,250,000, "two hundred" 200, "2018-19" 2018 and 2019, "the 2000s" a decade. A comma
may part thousands or decimals; where a number alone does not tell, both values are keys and either may match.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from backstay.offline.amount import Amount, find_amounts

_ONES: Final = tuple(
    word
    for words in (
        "zero one two three four five six seven eight nine ten",
        "eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen",
    )
    for word in words.split()
)
_TENS: Final = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
NUMBER_WORDS: Final = {
    **{word: value for value, word in enumerate(_ONES)},
    **dict(zip(_TENS, range(20, 100, 10), strict=True)),
}
SCALES: Final = {
    "hundred": 100,
    "thousand": 10**3,
    "k": 10**3,
    "million": 10**6,
    "m": 10**6,
    "billion": 10**9,
    "bn": 10**9,
    "trillion": 10**12,
}
_SCALE = re.compile(r"[ \u00a0\u202f-]?(hundred|thousand|million|billion|trillion|bn|m|k)\b", re.IGNORECASE)
_SPELLED = re.compile(
    rf"\b(?:{'|'.join(sorted(NUMBER_WORDS, key=len, reverse=True))})(?:-(?:{'|'.join(_ONES[1:10])}))?\b", re.IGNORECASE
)
_PERCENT = re.compile(r"\s?(?:%|per ?cent\b|percentage points?\b)", re.IGNORECASE)
_DECADE = re.compile(r"(?<![\w.,])((?:1[5-9]|20)\d0)['’]?s\b")
_YEARS = re.compile(r"(?<![\w.,-])((?:1[5-9]|20)\d\d)\s?[-–—/]\s?(\d\d)(?![\w.,]*\d|[-–—/])")
_MARKER = re.compile(r"^[ \t]*\(?\d{1,2}[.)](?=\s)", re.MULTILINE)
MIN_SPELLED = 2
"""The least number in words that counts: "one" is a pronoun more often than a number."""


class Quantity(Amount, frozen=True, kw_only=True):
    """A number with its place, and the `keys` of every value that it may have."""

    keys: tuple[str, ...] = ()


def number_key(value: Decimal) -> str:
    """The form in which equal numbers are equal: no sign, no trailing zeros."""
    return f"{abs(value).normalize():f}"


def find_quantities(text: str) -> Iterator[Quantity]:
    """Decades and spans of years first, then numbers in digits, then numbers in words; they may overlap. Marks of a numbered
    list are left out."""
    yield from _decades(text)
    yield from _spans(text)
    markers = {match.end() - 1 for match in _MARKER.finditer(text)}
    yield from (found for found in _digits(text) if found.end not in markers)
    yield from _spelled(text)


def _decades(text: str) -> Iterator[Quantity]:
    for match in _DECADE.finditer(text):
        yield _quantity(match.start(), match.end(), f"{match[1]}s")


def _spans(text: str) -> Iterator[Quantity]:
    """The second year of "2018-19": its two digits are a year, not the number 19."""
    for match in _YEARS.finditer(text):
        year = int(match[1][:2] + match[2])
        if year > int(match[1]):
            yield _quantity(match.start(2), match.end(2), str(year))


def _digits(text: str) -> Iterator[Quantity]:
    for amount in find_amounts(text):
        scale = None if amount.is_percent else _SCALE.match(text, amount.end)
        end = scale.end() if scale else amount.end
        factor = SCALES[scale[1].lower()] if scale else 1
        printed = text[amount.start : amount.end]
        values = {amount.value, *(one.value for mark in ".," for one in find_amounts(printed, decimal_mark=mark))}
        yield Quantity(
            value=amount.value * factor,
            start=amount.start,
            end=end,
            decimals=amount.decimals,
            is_percent=amount.is_percent or _PERCENT.match(text, end) is not None,
            has_currency=amount.has_currency,
            keys=tuple(sorted({number_key(value * factor) for value in values})),
        )


def _spelled(text: str) -> Iterator[Quantity]:
    for match in _SPELLED.finditer(text):
        value = sum(NUMBER_WORDS[word] for word in match[0].lower().split("-"))
        scale = _SCALE.match(text, match.end())
        if value < MIN_SPELLED and scale is None:
            continue
        end = scale.end() if scale else match.end()
        total = value * (SCALES[scale[1].lower()] if scale else 1)
        is_percent = _PERCENT.match(text, end) is not None
        yield _quantity(match.start(), end, number_key(Decimal(total)), is_percent=is_percent)


def _quantity(start: int, end: int, key: str, *, is_percent: bool = False) -> Quantity:
    value = Decimal(key.rstrip("s"))
    return Quantity(value=value, start=start, end=end, decimals=0, is_percent=is_percent, keys=(key,))
