"""Evidence: where a document states a value, in whatever form it prints it.

A value is looked for by its kind: a date in any date format, an amount in any number format, anything else letter by letter,
then with white space, case and punctuation left aside, as line breaks and OCR change them. The place is the evidence; a value
without a place is not grounded. This finds whether the document *contains* a value, not whether it means it: a total that is
some other line's amount has evidence too.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, TypeAlias

from backstay.offline.amount import find_amounts
from backstay.offline.date import find_compact_dates, find_dates

Span: TypeAlias = tuple[int, int]

_ISO = re.compile(r"\d{4}-\d{2}-\d{2}\Z")
_DECIMAL = re.compile(r"-?\d+(?:\.\d+)?\Z")
_WORD = re.compile(r"\w+", re.UNICODE)
MAX_WORDS = 200


class Evidence:
    """The places of values in one document. The indexes of dates and amounts are built on the first question for one."""

    def __init__(self, text: str) -> None:
        self.text = text

    @functools.cached_property
    def _dates(self) -> dict[str, Span]:
        places: dict[str, Span] = {}
        for order in (None, True, False):
            for found in find_dates(self.text, day_first=order):
                places.setdefault(found.value, (found.start, found.end))
        for found in find_compact_dates(self.text):
            places.setdefault(found.value, (found.start, found.end))
        return places

    @functools.cached_property
    def _amounts(self) -> dict[Decimal, Span]:
        places: dict[Decimal, Span] = {}
        for mark in (None, ".", ","):
            for found in find_amounts(self.text, decimal_mark=mark):
                places.setdefault(abs(found.value), (found.start, found.end))
        return places

    def find(self, value: Any) -> Span | None:
        """The span of the text that states `value`; None where nothing does, and for null, truth values and empty text."""
        if value is None or isinstance(value, bool) or value == "":
            return None
        if isinstance(value, (int, float)):
            return self._amounts.get(abs(Decimal(str(value)))) or self._literal(str(value))
        text = str(value).strip()
        exact = self._exact(text)
        if exact is not None:
            return exact
        if _ISO.match(text):
            return self._dates.get(text)
        if _DECIMAL.match(text) and (span := self._amounts.get(abs(Decimal(text)))):
            return span
        return self._literal(text)

    def _exact(self, text: str) -> Span | None:
        """A literal occurrence that is not the inside of a longer word or number."""
        start = self.text.find(text)
        while start >= 0:
            end = start + len(text)
            if _is_apart(self.text, start, end):
                return start, end
            start = self.text.find(text, start + 1)
        return None

    def _literal(self, text: str) -> Span | None:
        """The words of `text` in order, with nothing but space and punctuation between them, in any case."""
        words = _WORD.findall(text)
        if not words or len(words) > MAX_WORDS:
            return None
        pattern = r"\b" + r"[\W_]{1,6}".join(map(re.escape, words)) + r"\b"
        match = re.search(pattern, self.text, re.IGNORECASE)
        return None if match is None else match.span()


def _is_apart(text: str, start: int, end: int) -> bool:
    before, after = text[start - 1 : start], text[end : end + 1]
    return not (before.isalnum() and text[start].isalnum()) and not (after.isalnum() and text[end - 1].isalnum())


def snippet(text: str, span: Span, *, around: int = 30) -> str:
    """The evidence with a little of what stands around it, on one line."""
    start, end = span
    pieces: Iterable[str] = (text[max(0, start - around) : start], "«", text[start:end], "»", text[end : end + around])
    return " ".join("".join(pieces).split())
