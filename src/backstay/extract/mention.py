"""Mentions: the checkable items of a text: codes, ids, dates, amounts, percentages, contacts and names, each in a normalized form.

Two texts say the same where their normalized forms are equal: "5 July 2026" and 07/05/2026, "1.200,00" and 1200, "two million"
and 2,000,000, "(555) 010-4477" and 555.010.4477. Kinds are found in a fixed order and a stretch of text belongs to the first
that takes it, so the digits of a phone number are not amounts and a date is not three numbers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Final, Literal, TypeAlias

import msgspec

from backstay.offline.amount import find_amounts
from backstay.offline.date import find_dates

Kind: TypeAlias = Literal["contact", "date", "code", "id", "percent", "amount", "name"]


class Mention(msgspec.Struct, frozen=True, kw_only=True):
    """One item: its kind, its text and place, and the normalized `keys` by which it may be recognized elsewhere (any one will do)."""

    kind: Kind
    text: str
    start: int
    end: int
    keys: tuple[str, ...]


Finder: TypeAlias = Callable[[str], Iterator[Mention]]

_PHONE = re.compile(r"(?<![\w.-])(?:\+?\d{1,3}[ .-]?)?(?:\(\d{2,4}\)[ ]?|\d{3}[ .-])\d{3}[ .-]\d{4}(?![\w-])")
_MAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_URL = re.compile(r"(?:https?://|www\.)[^\s<>\"')\]]+[^\s<>\"')\].,;:]", re.IGNORECASE)
_CODE = re.compile(
    r"(?<![\w.$-])(?:[A-TV-Z]\d[0-9A-Z]\.[0-9A-Z]{1,4}|[A-V]\d{4}|(?:CO|PR|OA|PI|CR)[ -]?\d{1,3}|(?:MA|N|M)\d{2,3})(?![\w-])(?!\.\d)"
)
_CPT = re.compile(r"(?i:\b(?:CPT|HCPCS|procedure|code)s?\b[^\n.;]{0,40}?)(?P<code>(?<![\w.$-])\d{5}(?![\w-]|[.,]\d))")
_ID = re.compile(
    r"(?<![\w/.-])(?=[A-Za-z0-9/-]*\d)(?=[A-Za-z0-9/-]*[A-Z/-])[A-Za-z0-9]+(?:[/-][A-Za-z0-9]+)*(?![\w/-])"
)
_YEAR = re.compile(r"(?<![\w.,$€£/-])(?:1[5-9]|20)\d\d(?!\w|[.,/-]\d)")
_ORDINAL = re.compile(r"(?<![\w.,])(\d{1,3})(?:st|nd|rd|th)\b")
WORD = re.compile(r"[^\W\d_]+(?:['’.-][^\W\d_]+)*", re.UNICODE)
_SENTENCE = re.compile(r"(?:^|[.!?:;\n\"“”(]|\u2014|-- )\s*$")

_ONES = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen"
NUMBERWORDS: Final = {
    **{word: value for value, word in enumerate(_ONES.split())},
    **dict(zip("twenty thirty forty fifty sixty seventy eighty ninety".split(), range(20, 100, 10), strict=True)),
}
SCALES: Final = {
    "hundred": 100,
    "thousand": 10**3,
    "million": 10**6,
    "billion": 10**9,
    "trillion": 10**12,
    "m": 10**6,
    "bn": 10**9,
}
_SCALE = re.compile(r"[ -]?(hundred|thousand|million|billion|trillion|bn|m)\b", re.IGNORECASE)
_SPELLED = re.compile(
    rf"\b(?:{'|'.join(sorted(NUMBERWORDS, key=len, reverse=True))})(?:-(?:{'|'.join(_ONES.split()[1:10])}))?\b",
    re.IGNORECASE,
)

FUNCTIONWORDS: Final = frozenset(
    "a after all also although an and another any are as at be because been before both but by can dear did do during each "
    "either every for from had has have he her here his how however i if in into is it its like many may more most much my no not "
    "of on once one only or other our over please re she should since sincerely so some such than that the their them then "
    "there these they this those though thus to under until up was we were what when where whether which while who whose why will "
    "with within without would yes yet you your mr mrs ms dr prof january february march april may june july august september "
    "october november december monday tuesday wednesday thursday friday saturday sunday".split()
)
"""Words that are capitalized for other reasons than being a name."""


def number_key(value: Decimal) -> str:
    """The form in which equal numbers are equal: no sign, no trailing zeros."""
    return f"{abs(value).normalize():f}"


def find_mentions(text: str) -> list[Mention]:
    """All mentions of `text`, in the order of their places; no two overlap."""
    taken: list[tuple[int, int]] = []
    found: list[Mention] = []
    for finder in FINDERS:
        for mention in finder(text):
            if not any(mention.start < end and start < mention.end for start, end in taken):
                found.append(mention)
                taken.append((mention.start, mention.end))
    return sorted(found, key=lambda mention: mention.start)


def _contacts(text: str) -> Iterator[Mention]:
    for match in _MAIL.finditer(text):
        yield _mention("contact", match, match[0].casefold())
    for match in _URL.finditer(text):
        yield _mention("contact", match, re.sub(r"^(?:https?://)?(?:www\.)?", "", match[0].casefold()).rstrip("/"))
    for match in _PHONE.finditer(text):
        digits = re.sub(r"\D", "", match[0])
        yield _mention("contact", match, digits[-10:])


def _dates(text: str) -> Iterator[Mention]:
    for found in find_dates(text):
        keys = {
            found.value,
            *(
                other.value
                for order in (True, False)
                for other in find_dates(text[found.start : found.end], day_first=order)
            ),
        }
        yield Mention(
            kind="date", text=text[found.start : found.end], start=found.start, end=found.end, keys=tuple(sorted(keys))
        )


def _codes(text: str) -> Iterator[Mention]:
    for match in _CODE.finditer(text):
        yield _mention("code", match, re.sub(r"[ -]", "", match[0]))
    for match in _CPT.finditer(text):
        start, end = match.span("code")
        yield Mention(kind="code", text=match["code"], start=start, end=end, keys=(match["code"],))


def _ids(text: str) -> Iterator[Mention]:
    for match in _ID.finditer(text):
        if len(match[0]) >= 5 and sum(char.isdigit() for char in match[0]) >= 2 and not _ORDINAL.fullmatch(match[0]):
            yield _mention("id", match, re.sub(r"[^0-9A-Za-z]", "", match[0]).casefold())


def _numbers(text: str) -> Iterator[Mention]:
    for amount in find_amounts(text):
        scale = _SCALE.match(text, amount.end)
        end = scale.end() if scale and not amount.is_percent else amount.end
        factor = SCALES[scale[1].lower()] if scale and not amount.is_percent else 1
        values = {
            amount.value * factor,
            *(
                other.value * factor
                for mark in ".,"
                for other in find_amounts(text[amount.start : amount.end], decimal_mark=mark)
            ),
        }
        kind: Kind = (
            "percent" if amount.is_percent or re.match(r"\s?per ?cent\b", text[end:], re.IGNORECASE) else "amount"
        )
        yield Mention(
            kind=kind,
            text=text[amount.start : end],
            start=amount.start,
            end=end,
            keys=tuple(sorted(map(number_key, values))),
        )
    for match in _SPELLED.finditer(text):
        value = sum(NUMBERWORDS[word] for word in match[0].lower().split("-"))
        scale = _SCALE.match(text, match.end())
        if value < 2 and scale is None:
            continue  # "one" is a pronoun more often than a number
        end = scale.end() if scale else match.end()
        key = number_key(Decimal(value * (SCALES[scale[1].lower()] if scale else 1)))
        yield Mention(kind="amount", text=text[match.start() : end], start=match.start(), end=end, keys=(key,))


def _names(text: str) -> Iterator[Mention]:
    """Capitalized words, one mention each; the first word of a sentence counts when another capitalized one follows it."""
    words = list(WORD.finditer(text))
    for index, match in enumerate(words):
        word = match[0]
        if not word[0].isupper() or word.casefold() in FUNCTIONWORDS or len(word) < 2:
            continue
        follows = (
            index + 1 < len(words)
            and words[index + 1][0][0].isupper()
            and text[match.end() : words[index + 1].start()] == " "
        )
        if _SENTENCE.search(text[max(0, match.start() - 8) : match.start()]) and not follows:
            continue
        yield _mention("name", match, *name_keys(word))


def name_keys(word: str) -> tuple[str, ...]:
    """The forms of a name's word: without case, possessive and plural."""
    plain = re.sub(r"['’]s?$", "", word.casefold()).replace(".", "")
    return (plain,) if len(plain) < 4 or not plain.endswith("s") else (plain, plain[:-1])


def _mention(kind: Kind, match: re.Match[str], *keys: str) -> Mention:
    return Mention(kind=kind, text=match[0], start=match.start(), end=match.end(), keys=keys)


FINDERS: Final[tuple[Finder, ...]] = (_contacts, _dates, _codes, _ids, _numbers, _names)
