"""Mentions: the checkable items of a text: contacts, dates, codes, ids, percentages, amounts, names, each in a normalized
form.

Two texts say the same where their normalized forms are equal: "5 July 2026" and 07/05/2026, "1.200,00" and 1200, "two
million" and 2,000,000, "(555) 010-4477" and 555.010.4477. Kinds are found in a fixed order and a stretch of text belongs
to the first that takes it, so the digits of a phone number are not amounts and a date is not three numbers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final, Literal, TypeAlias

import msgspec

from backstay.extract.name import find_names, name_keys
from backstay.extract.quantity import find_quantities
from backstay.offline.date import find_dates
from backstay.offline.lexicon import MONTHS
from backstay.offline.text import fold

Kind: TypeAlias = Literal["contact", "date", "code", "id", "percent", "amount", "name"]


class Mention(msgspec.Struct, frozen=True, kw_only=True):
    """One item: its kind, its text and place, and the normalized `keys` by which it may be known again (any one will do).

    A date without a year has the key `--MM-DD`.
    """

    kind: Kind
    text: str
    start: int
    end: int
    keys: tuple[str, ...]


Finder: TypeAlias = Callable[[str], Iterator[Mention]]

_PHONE = re.compile(r"(?<![\w.-])(?:\+?\d{1,3}[ .-]?)?(?:\(\d{2,4}\)[ ]?|\d{3}[ .-])\d{3}[ .-]\d{4}(?![\w-])")
_MAIL = re.compile(r"(?<![\w.+-])[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_URL = re.compile(r"(?:https?://|www\.)[^\s<>\"')\]]+[^\s<>\"')\].,;:]", re.IGNORECASE)
_SCHEME = re.compile(r"^(?:https?://)?(?:www\.)?")
_CODE = re.compile(
    r"(?<![\w.$-])(?:[A-TV-Z]\d[0-9A-Z]\.[0-9A-Z]{1,4}|[A-V]\d{4}"
    r"|(?:CO|PR|OA|PI|CR)[ -]?\d{1,3}|(?:MA|N|M)\d{2,3})(?![\w-])(?!\.\d)"
)
_CPT = re.compile(r"(?i:\b(?:CPT|HCPCS|procedure|code)s?\b[^\n.;]{0,40}?)(?P<code>(?<![\w.$-])\d{5}(?![\w-]|[.,]\d))")
_ID = re.compile(
    r"(?<![\w/.-])(?=[A-Za-z0-9/-]*\d)(?=[A-Za-z0-9/-]*[A-Z/-])[A-Za-z0-9]+(?:[/-][A-Za-z0-9]+)*(?![\w/-])"
)
_RANGE = re.compile(r"[1-9]\d{0,3}[-/][1-9]\d{0,3}")
"""Two plain numbers: a range, a score, a fraction. They are two numbers and no id."""
_ORDINAL = re.compile(r"\d{1,3}(?:st|nd|rd|th)")
_MEASURE = re.compile(r"\d+(?:[A-Za-z]{1,3}|-[a-z]+)")
_MONTH = "|".join(
    sorted((re.escape(name) for name in MONTHS if len(name) > 2 and name.isascii()), key=len, reverse=True)
)
_DAY = r"(?P<{0}>[0-3]?\d)(?:st|nd|rd|th)?(?:\s?[-–—]\s?(?P<{0}2>[0-3]?\d)(?:st|nd|rd|th)?)?"
_YEARLESS = re.compile(
    rf"\b(?:(?P<m>{_MONTH})\.? {_DAY.format('d')}(?![\w]|[.,]\d)|{_DAY.format('e')} (?:of )?(?P<n>{_MONTH})\b)",
    re.IGNORECASE,
)
MIN_ID = 5


def find_mentions(text: str) -> list[Mention]:
    """All mentions of `text`, in the order of their places; no two overlap."""
    taken = bytearray(len(text))
    found: list[Mention] = []
    for finder in FINDERS:
        for mention in finder(text):
            if not any(taken[mention.start : mention.end]):
                found.append(mention)
                taken[mention.start : mention.end] = b"\1" * (mention.end - mention.start)
    return sorted(found, key=lambda mention: mention.start)


def _contacts(text: str) -> Iterator[Mention]:
    for match in _MAIL.finditer(text):
        yield _mention("contact", match, match[0].casefold())
    for match in _URL.finditer(text):
        yield _mention("contact", match, _SCHEME.sub("", match[0].casefold()).rstrip("/"))
    for match in _PHONE.finditer(text):
        yield _mention("contact", match, re.sub(r"\D", "", match[0])[-10:])


def _dates(text: str) -> Iterator[Mention]:
    for found in find_dates(text):
        printed = text[found.start : found.end]
        both = (other.value for order in (True, False) for other in find_dates(printed, day_first=order))
        keys = tuple(sorted({found.value, *both}))
        yield Mention(kind="date", text=printed, start=found.start, end=found.end, keys=keys)


def _yearless(text: str) -> Iterator[Mention]:
    """Days without a year: "March 6-7" is two of them in one place, and needs both."""
    for match in _YEARLESS.finditer(text):
        name = match["m"] or match["n"]
        month = MONTHS.get(fold(name), 0)
        has_form = name[0].isupper() or len(name) >= 4
        for group in ("d", "d2", "e", "e2"):
            if match[group] and month and has_form and 1 <= int(match[group]) <= 31:
                start, end = match.span(group)
                if group == "d":
                    start = match.start()
                elif group == "e" and not match["e2"]:
                    end = match.end()
                key = f"--{month:02}-{int(match[group]):02}"
                yield Mention(kind="date", text=text[start:end], start=start, end=end, keys=(key,))


def _codes(text: str) -> Iterator[Mention]:
    for match in _CODE.finditer(text):
        yield _mention("code", match, re.sub(r"[ -]", "", match[0]))
    for match in _CPT.finditer(text):
        start, end = match.span("code")
        yield Mention(kind="code", text=match["code"], start=start, end=end, keys=(match["code"],))


def _ids(text: str) -> Iterator[Mention]:
    for match in _ID.finditer(text):
        word = match[0]
        has_form = len(word) >= MIN_ID and sum(map(str.isdigit, word)) >= 2
        if has_form and not any(other.fullmatch(word) for other in (_ORDINAL, _RANGE, _MEASURE)):
            yield _mention("id", match, re.sub(r"[^0-9A-Za-z]", "", word).casefold())


def _numbers(text: str) -> Iterator[Mention]:
    for found in find_quantities(text):
        kind: Kind = "percent" if found.is_percent else "amount"
        printed = text[found.start : found.end]
        yield Mention(kind=kind, text=printed, start=found.start, end=found.end, keys=found.keys)


def _names(text: str) -> Iterator[Mention]:
    """One mention for each word of a name."""
    for match in find_names(text):
        yield _mention("name", match, *name_keys(match[0]))


def _mention(kind: Kind, match: re.Match[str], *keys: str) -> Mention:
    return Mention(kind=kind, text=match[0], start=match.start(), end=match.end(), keys=keys)


FINDERS: Final[tuple[Finder, ...]] = (_contacts, _dates, _codes, _ids, _yearless, _numbers, _names)
