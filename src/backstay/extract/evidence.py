"""Evidence: where a document states a value, in whatever form it prints it.

A value is looked for by its kind: a date in any date format, an amount in any number format, a currency's code also by
its sign, anything else letter by letter. What is not there as written is looked for with white space, case, accents and
punctuation left aside, as line breaks and layout change them, then with the letters that optical recognition confuses,
and a longer text with a few of its words changed. `quality` says how near the find is. This finds whether the document
*contains* a value, not whether it means it: a total that is some other line's amount has evidence too.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any, Final, TypeAlias

import msgspec

from backstay.offline.amount import find_amounts
from backstay.offline.currency import CODES, find_signs
from backstay.offline.date import find_compact_dates, find_dates
from backstay.offline.text import Squeezed, fold, squeeze

Span: TypeAlias = tuple[int, int]

EXACT, SQUEEZED, CONFUSED, SIMILAR, SHARED_SIGN = 1.0, 0.8, 0.6, 0.6, 0.6
"""The quality of a find: the value itself in some notation; without spacing and marks; letters confused; words changed; a sign
that several currencies use."""

_ISO = re.compile(r"\d{4}-\d{2}-\d{2}\Z")
_DECIMAL = re.compile(r"-?\d+(?:\.\d+)?\Z")
_WORD = re.compile(r"\w+", re.UNICODE)
_CONFUSED: Final = str.maketrans("oilsbzq", "0115829")
"""Letters that optical recognition takes for digits, and the other way round."""
_NUMBER_BEFORE, _NUMBER_BEHIND = re.compile(r"\d[.,'’]\Z"), re.compile(r"[.,'’]\d")
MAX_WORDS = 200
MAX_PLACES = 50
MIN_SQUEEZED, MIN_CONFUSED, MIN_SIMILAR = 4, 5, 4
"""Shorter values (letters, letters, words) are found by chance in these ways."""
SAME_WORDS = 0.8
"""The share of its words that a text must keep to be found as similar."""


class Found(msgspec.Struct, frozen=True):
    """One place of a value, and how near what stands there is to it."""

    span: Span
    quality: float = EXACT


class Evidence:
    """The places of values in one document. Each index is built on the first question that needs it."""

    def __init__(self, text: str) -> None:
        self.text = text

    @functools.cached_property
    def _dates(self) -> dict[str, list[Span]]:
        places: dict[str, list[Span]] = {}
        for order in (None, True, False):
            for found in find_dates(self.text, day_first=order):
                _note(places, found.value, (found.start, found.end))
        for found in find_compact_dates(self.text):
            _note(places, found.value, (found.start, found.end))
        return places

    @functools.cached_property
    def _amounts(self) -> dict[Decimal, list[Span]]:
        places: dict[Decimal, list[Span]] = {}
        for mark in (None, ".", ","):
            for found in find_amounts(self.text, decimal_mark=mark):
                sign = re.search(r"[-\u2212\u2013.,]?\d", self.text[found.start : found.end])
                start = found.start + (sign.start() if sign else 0)
                _note(places, abs(found.value), (start, found.end))
        return places

    @functools.cached_property
    def _signs(self) -> dict[str, list[Found]]:
        places: dict[str, list[Found]] = {}
        for code, start, end, is_alone in find_signs(self.text):
            places.setdefault(code, []).append(Found((start, end), EXACT if is_alone else SHARED_SIGN))
        return {code: sorted(found, key=lambda one: -one.quality)[:MAX_PLACES] for code, found in places.items()}

    @functools.cached_property
    def _squeezed(self) -> Squeezed:
        return squeeze(self.text)

    @functools.cached_property
    def _confused(self) -> str:
        return self._squeezed.text.translate(_CONFUSED)

    @functools.cached_property
    def _words(self) -> tuple[list[str], list[Span], dict[str, list[int]]]:
        matches = list(_WORD.finditer(self.text))
        words = [fold(match[0]) for match in matches]
        index: dict[str, list[int]] = {}
        for place, word in enumerate(words):
            index.setdefault(word, []).append(place)
        return words, [match.span() for match in matches], index

    def find(self, value: Any, *, near: int | None = None) -> Span | None:
        """The span of the text that states `value`, the one closest to `near` where there are several.

        None where nothing states it, and for null, truth values and empty text.
        """
        found = self.search(value, near=near)
        return None if found is None else found.span

    def search(self, value: Any, *, near: int | None = None) -> Found | None:
        """As `find`, with the quality of the find."""
        places = self.places(value)
        if not places or near is None:
            return places[0] if places else None
        return min(places, key=lambda found: abs(found.span[0] - near))

    def places(self, value: Any) -> list[Found]:
        """Every place that states `value`, in the order of the text, by the nearest way that finds any."""
        if value is None or isinstance(value, bool) or value in ("", [], {}):
            return []
        text = str(value).strip()
        spans = [] if isinstance(value, (int, float)) else self._exact(text)
        if not spans and _DECIMAL.match(text):
            spans = self._amounts.get(abs(Decimal(text)), [])
        if not spans and _ISO.match(text):
            spans = self._dates.get(text, [])
            return [
                Found(span) for span in sorted(spans)
            ]  # a date that is not there is not there in other letters either
        if spans or (spans := self._literal(text)):
            return [Found(span) for span in sorted(spans)[:MAX_PLACES]]
        return self._signs.get(text, []) if text in CODES else self._loosely(text)

    def _loosely(self, text: str) -> list[Found]:
        if _DECIMAL.match(text):
            return []
        wanted = squeeze(text).text
        if len(wanted) >= MIN_SQUEEZED and (spans := self._within(self._squeezed.text, wanted)):
            return [Found(span, SQUEEZED) for span in spans]
        if len(wanted) >= MIN_CONFUSED and any(map(str.isdigit, wanted)):
            spans = self._within(self._confused, wanted.translate(_CONFUSED))
            if spans:
                return [Found(span, CONFUSED) for span in spans]
        span = self._similar([fold(word) for word in _WORD.findall(text)])
        return [] if span is None else [Found(span, SIMILAR)]

    def _exact(self, text: str) -> list[Span]:
        """Literal occurrences that are not the inside of a longer word or number."""
        spans: list[Span] = []
        start = self.text.find(text)
        while start >= 0 and len(spans) < MAX_PLACES:
            if _is_apart(self.text, start, start + len(text)):
                spans.append((start, start + len(text)))
            start = self.text.find(text, start + 1)
        return spans

    def _literal(self, text: str) -> list[Span]:
        """The words of `text` in order, with nothing but space and punctuation between them, in any case."""
        words = _WORD.findall(text)
        if not words or len(words) > MAX_WORDS:
            return []
        pattern = r"\b" + r"[\W_]{1,6}".join(map(re.escape, words)) + r"\b"
        spans = (match.span() for match in re.finditer(pattern, self.text, re.IGNORECASE))
        return [span for span in spans if _is_apart(self.text, *span)]

    def _within(self, squeezed: str, wanted: str) -> list[Span]:
        """Places in a squeezed text, as spans of the text itself; the ends must be ends of words there."""
        index = self._squeezed.index
        spans: list[Span] = []
        at = squeezed.find(wanted)
        while at >= 0 and len(spans) < MAX_PLACES:
            start, end = index[at], index[at + len(wanted) - 1] + 1
            if _is_apart(self.text, start, end):
                spans.append((start, end))
            at = squeezed.find(wanted, at + 1)
        return spans

    def _similar(self, wanted: Sequence[str]) -> Span | None:
        """The stretch of the text that keeps most words of `wanted` in their places; None where none keeps enough."""
        if not MIN_SIMILAR <= len(wanted) <= MAX_WORDS:
            return None
        words, spans, index = self._words
        rare = sorted((word for word in set(wanted) if word in index), key=lambda word: len(index[word]))[:3]
        best, where = SAME_WORDS * len(wanted), None
        for word in rare:
            for place in index[word][:MAX_PLACES]:
                start = place - wanted.index(word)
                if start < 0 or start + len(wanted) > len(words):
                    continue
                kept = sum(one == other for one, other in zip(wanted, words[start : start + len(wanted)], strict=True))
                if kept >= best and (where is None or kept > best):
                    best, where = kept, (spans[start][0], spans[start + len(wanted) - 1][1])
        return where


def _note(places: dict[Any, list[Span]], value: Any, span: Span) -> None:
    spans = places.setdefault(value, [])
    if span not in spans and len(spans) < MAX_PLACES:
        spans.append(span)


def _is_apart(text: str, start: int, end: int) -> bool:
    """True where text[start:end] is not the inside of a longer word, nor of a longer number such as 1.234,50."""
    before, after = text[max(0, start - 2) : start], text[end : end + 2]
    if text[start].isalnum() and (before[-1:].isalnum() or (text[start].isdigit() and _NUMBER_BEFORE.search(before))):
        return False
    last = text[end - 1]
    return not (last.isalnum() and (after[:1].isalnum() or (last.isdigit() and _NUMBER_BEHIND.match(after))))


def snippet(text: str, span: Span, *, around: int = 30) -> str:
    """The evidence with a little of what stands around it, on one line."""
    start, end = span
    pieces: Iterable[str] = (text[max(0, start - around) : start], "«", text[start:end], "»", text[end : end + around])
    return " ".join("".join(pieces).split())
