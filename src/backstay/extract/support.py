"""Support: what the sources state, in normalized forms, and what follows from it.

Built once for a set of sources, then asked about each mention of an output. What a source does not state may follow from
it: a date from a date and a number of days, a date from a day without a year and a year, a total or a difference from
amounts that the output itself shows. What follows is told apart from what is stated, and says how it follows.
"""

from __future__ import annotations

import datetime as dt
import difflib
import re
from collections.abc import Iterable, Sequence
from decimal import Decimal

from backstay.extract.mention import Kind, Mention, find_mentions
from backstay.extract.name import JOINING, MAX_ACRONYM, WORD, acronyms, name_keys, phrases, stems
from backstay.extract.nation import alias_words
from backstay.extract.quantity import find_quantities
from backstay.offline.amount import find_amounts

MAX_TERMS = 20
"""Amounts that a total may be made of."""
MIN_LOOSE = 4
"""An id, code or contact this long is also looked for in the sources without their spaces and punctuation."""
MIN_SPELLED_OUT = 3
"""The shortest acronym of a source that vouches for the phrase it stands for."""

_BROKEN = re.compile(r"(?<![\d.,])(?:\d{1,3}(?:, \d{3})+|\d+\. \d{1,2})(?!\d)")
"""A number that a tokenizer or a line break has pulled apart: "1, 600", "98. 7"."""
_PERIOD = re.compile(
    r"(?<![\d.,])(\d{1,4})\)?[ \u00a0-](?:(?:calendar|business|working|consecutive) )?"
    r"(?:(days?|tagen?|jours|giorni|días?|dias|dagen|dni)|(weeks?|wochen?|semaines)|(months?|monaten?|mois|mesi|meses))\b",
    re.IGNORECASE,
)
"""A number of days, weeks or months, with which a date may be derived; "thirty (30) days" is one."""
_YEAR = re.compile(r"(?<!\d)(?:1[5-9]|20)\d\d(?!\d)")
_GROUPS: dict[Kind, str] = {"percent": "number", "amount": "number", "code": "id"}
"""Kinds that may stand for each other share an index: a percentage is a number, an id may look like a code."""


def group_of(kind: Kind) -> str:
    """The index in which a kind is looked up."""
    return _GROUPS.get(kind, kind)


class Support:
    """The items of the sources by kind, and their words."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._keys: dict[str, set[str]] = {"name": set()}
        self._texts: dict[str, dict[str, None]] = {}
        self._periods: set[tuple[int, int]] = set()
        self._stems: set[str] = set()
        self._acronyms: set[str] = set()
        self._initials: set[str] = set()
        for text in texts:
            self._add(text)
        plain = "\n".join(texts)
        self._flat = "".join(char for char in plain.casefold() if char.isalnum())
        self._years = set(_YEAR.findall(plain))

    def _add(self, text: str) -> None:
        for mention in find_mentions(text):
            group = group_of(mention.kind)
            self._keys.setdefault(group, set()).update(mention.keys)
            self._texts.setdefault(group, {})[mention.text] = None
            if mention.kind == "id":  # a code with its modifier states the code
                self._keys[group].update(part for part in re.split(r"[/-]", mention.text) if len(part) >= MIN_LOOSE)
            if mention.keys[0].startswith("--"):
                self._keys.setdefault("number", set()).add(mention.keys[0][5:].lstrip("0"))
        self._add_numbers(text)
        self._add_words(text)

    def _add_numbers(self, text: str) -> None:
        numbers = self._keys.setdefault("number", set())
        for match in _BROKEN.finditer(text):
            mended = match[0].replace(" ", "") + text[match.end() : match.end() + 12]
            numbers.update(next(find_quantities(mended)).keys)
        for match in _PERIOD.finditer(text):
            count = int(match[1])
            self._periods.add((0, count) if match[2] else (0, 7 * count) if match[3] else (count, 0))

    def _add_words(self, text: str) -> None:
        words = [match[0] for match in WORD.finditer(text)]
        names = self._keys["name"]
        for word in words:
            for part in {word, *word.split("-")}:
                names.update(name_keys(part))
            if 1 < len(word) <= MAX_ACRONYM and word.replace(".", "").isupper():
                self._initials.update(name_keys(word))
        names.update(alias_words(words))
        for run in phrases(text):
            self._acronyms.update(acronyms(match[0] for match in run))
        written = {key for word in words if word[0].isupper() for key in name_keys(word)}
        self._stems.update(stem for key in written for stem in stems(key))

    def states(self, mention: Mention) -> bool:
        """True when the sources state it, under any of its keys."""
        known = self._keys.get(group_of(mention.kind), set())
        if any(key in known for key in mention.keys):
            return True
        if mention.kind == "date":
            return self._states_day(mention)
        if mention.kind == "name":
            return self._states_name(mention.text)
        if mention.kind in ("id", "code", "contact"):
            return any(len(key) >= MIN_LOOSE and _flatten(key) in self._flat for key in mention.keys)
        return self._states_year(mention) or self._states_digits(mention)

    def _states_day(self, mention: Mention) -> bool:
        """A day without a year is stated by any date on that day."""
        dates = self._keys.get("date", set())
        return any(key.startswith("--") and any(date.endswith(key[1:]) for date in dates) for key in mention.keys)

    def _states_year(self, mention: Mention) -> bool:
        """A year is stated by any date in it, a decade by any year of it."""
        return any(
            (len(key) == 4 and key in self._years)
            or (key.endswith("0s") and any(year.startswith(key[:3]) for year in self._years))
            for key in mention.keys
        )

    def _states_digits(self, mention: Mention) -> bool:
        """Bare digits without context may be a code or an id of the sources."""
        known = self._keys.get("id", set())
        return mention.text.isdigit() and len(mention.text) >= MIN_LOOSE and mention.text in known

    def _states_name(self, word: str) -> bool:
        known = self._keys["name"]
        if "-" in word:
            parts = [part for part in word.split("-") if part[:1].isupper()]
            return bool(parts) and all(self._states_word(part, known) for part in parts)
        return self._states_word(word, known)

    def _states_word(self, word: str, known: set[str]) -> bool:
        keys = name_keys(word)
        if any(key in known for key in keys):
            return True
        if word.replace(".", "").removesuffix("'s").removesuffix("s").isupper() and self._acronyms & set(keys):
            return True
        return any(stem in self._stems for key in keys for stem in stems(key))

    def derive(self, mention: Mention, shown: Sequence[Mention]) -> str | None:
        """How `mention` follows from the sources and from the stated amounts `shown` before it; None where it does not."""
        if mention.kind == "date":
            return self._date_and_days(mention) or self._day_and_year(mention)
        if mention.kind == "amount":
            return _sum_of(mention, shown) or _difference_of(mention, shown)
        return None

    def spells_out(self, words: Sequence[str]) -> str | None:
        """The acronym of the sources that the phrase `words` is spelled out from."""
        for kept in (words, [word for word in words if word.casefold() not in JOINING]):
            acronym = "".join(word[0].casefold() for word in kept)
            if len(acronym) >= MIN_SPELLED_OUT and acronym in self._initials:
                return acronym.upper()
        return None

    def _date_and_days(self, mention: Mention) -> str | None:
        bases = sorted(key for key in self._keys.get("date", ()) if not key.startswith("--"))
        for key in mention.keys:
            for base in bases if not key.startswith("--") else ():
                for months, days in sorted(self._periods):
                    for sign, word in ((1, "plus"), (-1, "minus")):
                        if _moved(base, sign * months, sign * days) == key:
                            return f"{base} {word} {f'{days} days' if days else f'{months} months'}"
        return None

    def _day_and_year(self, mention: Mention) -> str | None:
        for key in mention.keys:
            day = f"-{key[4:]}"
            if day in self._keys.get("date", ()) and key[:4] in self._years:
                return f"the day {key[5:]} and the year {key[:4]}, which the source states apart"
        return None

    def nearest(self, mention: Mention) -> str | None:
        """The item of the same kind that is closest to `mention`."""
        candidates = list(self._texts.get(group_of(mention.kind), ()))
        if mention.kind in ("amount", "percent"):
            return _nearest_number(mention, candidates)
        close = difflib.get_close_matches(mention.text, candidates, n=1, cutoff=0.4)
        return close[0] if close else None


def _moved(day: str, months: int, days: int) -> str | None:
    """The ISO date so many months and days later; None where the calendar ends. The last day of a month stays one."""
    year, month = divmod(int(day[:4]) * 12 + int(day[5:7]) - 1 + months, 12)
    try:
        last = (dt.date(year + (month == 11), (month + 1) % 12 + 1, 1) - dt.timedelta(1)).day
        return (dt.date(year, month + 1, min(int(day[8:]), last)) + dt.timedelta(days)).isoformat()
    except (ValueError, OverflowError):
        return None


def _flatten(key: str) -> str:
    return "".join(char for char in key.casefold() if char.isalnum())


def _values(mentions: Iterable[Mention]) -> list[Decimal]:
    return [Decimal(one.keys[0]) for one in mentions if not one.keys[0].endswith("s")]


def _sum_of(mention: Mention, shown: Sequence[Mention]) -> str | None:
    """A total of stated amounts that stand right before it in the output, two to twenty of them."""
    wanted = set(_values([mention]))
    total = Decimal(0)
    for count, value in enumerate(reversed(_values(one for one in shown if one.end <= mention.start)[-MAX_TERMS:]), 1):
        total += value
        if count > 1 and total in wanted:
            return f"the sum of {count} amounts before it"
    return None


def _difference_of(mention: Mention, shown: Sequence[Mention]) -> str | None:
    """What is left of one amount with decimals after another, both among the last few before it; whole numbers are too
    many."""
    if not _has_decimals(mention):
        return None
    before = [one for one in shown if one.end <= mention.start and _has_decimals(one)][-6:]
    wanted = set(_values([mention]))
    for larger in before:
        for smaller in before:
            if Decimal(larger.keys[0]) - Decimal(smaller.keys[0]) in wanted:
                return f"{larger.text} less {smaller.text}"
    return None


def _has_decimals(mention: Mention) -> bool:
    return re.search(r"\d[.,]\d\d(?!\d)", mention.text) is not None


def _nearest_number(mention: Mention, candidates: Sequence[str]) -> str | None:
    for wanted in _values([mention]):
        values = [(abs(abs(found[0].value) - wanted), text) for text in candidates if (found := find_amounts(text))]
        return min(values)[1] if values else None
    return None
