"""Grounding: what an output states that its sources do not.

Every code, date, amount, percentage, contact, id and name of the output is looked for in the sources in its normalized form. What is
not there may still be derivable: a deadline from a date and a number of days in the sources, a total from a list of amounts that the
output itself shows. The rest is reported with its place and the nearest thing that the sources do say.

This is a check of facts that have a form. It claims nothing about meaning: a sentence can be false without a single wrong name or
number, and an item can be in the source and mean something else there.
"""

from __future__ import annotations

import datetime as dt
import difflib
from collections.abc import Iterable, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from backstay.extract.mention import WORD, Kind, Mention, find_mentions, name_keys
from backstay.offline.amount import find_amounts

MAX_DAYS = 3700
"""Spans of days that a deadline may be derived with: up to ten years."""

STRICT: frozenset[Kind] = frozenset({"code", "date", "amount", "percent", "contact", "id"})
"""The kinds whose absence is a fault in a generated document; names are weaker evidence."""


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """One checkable item of the output. `derived` says how it follows from the sources; `nearest` is the closest item there."""

    kind: Kind
    text: str
    start: int
    end: int
    grounded: bool
    derived: str | None = None
    nearest: str | None = None


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """All items of an output in the order of their places."""

    items: tuple[Item, ...]

    @property
    def ungrounded(self) -> tuple[Item, ...]:
        """The items that neither stand in the sources nor follow from them."""
        return tuple(item for item in self.items if not item.grounded)

    @property
    def is_grounded(self) -> bool:
        """True when nothing is ungrounded."""
        return not self.ungrounded


def check(output: str, sources: str | Iterable[str], *, kinds: Iterable[Kind] | None = None) -> Report:
    """The Report of `output` against `sources` (one text or several); `kinds` narrows what is checked."""
    texts = [sources] if isinstance(sources, str) else list(sources)
    wanted = None if kinds is None else frozenset(kinds)
    index = _Index(texts)
    mentions = [mention for mention in find_mentions(output) if wanted is None or mention.kind in wanted]
    shown = [mention for mention in mentions if mention.kind == "amount" and index.has(mention)]
    return Report(items=tuple(index.judge(mention, shown) for mention in mentions))


class _Index:
    """The items of the sources by kind, and their words."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._by_key: dict[str, set[str]] = {}
        self._texts: dict[str, list[str]] = {}
        self._days: set[int] = set()
        for text in texts:
            for mention in find_mentions(text):
                group = _group(mention.kind)
                self._by_key.setdefault(group, set()).update(mention.keys)
                self._texts.setdefault(group, []).append(mention.text)
            for amount in find_amounts(text):
                if 0 < amount.value <= MAX_DAYS and amount.value == amount.value.to_integral_value():
                    self._days.add(int(amount.value))
            self._by_key.setdefault("name", set()).update(key for word in _words(text) for key in name_keys(word))
        plain = "\n".join(texts)
        self._flat = "".join(char for char in plain.casefold() if char.isalnum())

    def has(self, mention: Mention) -> bool:
        """True when the sources state it, under any of its keys."""
        known = self._by_key.get(_group(mention.kind), set())
        if any(key in known for key in mention.keys):
            return True
        if mention.kind == "date":
            return False
        if mention.kind in ("id", "code", "contact"):
            return any(len(key) >= 4 and key.casefold() in self._flat for key in mention.keys)
        return mention.kind in ("amount", "percent") and self._is_year_of_a_date(mention)

    def _is_year_of_a_date(self, mention: Mention) -> bool:
        return any(
            len(key) == 4 and date.startswith(f"{key}-")
            for key in mention.keys
            for date in self._by_key.get("date", ())
        )

    def judge(self, mention: Mention, shown: Sequence[Mention]) -> Item:
        facts: dict[str, Any] = {"kind": mention.kind, "text": mention.text, "start": mention.start, "end": mention.end}
        if self.has(mention):
            return Item(**facts, grounded=True)
        derived = self._derive(mention, shown)
        if derived is not None:
            return Item(**facts, grounded=True, derived=derived)
        return Item(**facts, grounded=False, nearest=self._nearest(mention))

    def _derive(self, mention: Mention, shown: Sequence[Mention]) -> str | None:
        if mention.kind == "date":
            return self._date_and_days(mention)
        if mention.kind == "amount":
            return _sum_of(mention, shown)
        return None

    def _date_and_days(self, mention: Mention) -> str | None:
        for key in mention.keys:
            for base in sorted(self._by_key.get("date", ())):
                days = (dt.date.fromisoformat(key) - dt.date.fromisoformat(base)).days
                if abs(days) in self._days:
                    return f"{base} {'plus' if days > 0 else 'minus'} {abs(days)} days"
        return None

    def _nearest(self, mention: Mention) -> str | None:
        candidates = self._texts.get(_group(mention.kind), [])
        if mention.kind in ("amount", "percent"):
            return _nearest_number(mention, candidates)
        close = difflib.get_close_matches(mention.text, dict.fromkeys(candidates), n=1, cutoff=0.4)
        return close[0] if close else None


def _group(kind: Kind) -> str:
    """Kinds that may stand for each other share an index: a percentage is a number, an id may look like a code."""
    return {"percent": "number", "amount": "number", "code": "id"}.get(kind, kind)


def _words(text: str) -> Iterable[str]:
    return (match[0] for match in WORD.finditer(text))


def _sum_of(mention: Mention, shown: Sequence[Mention]) -> str | None:
    """A total of grounded amounts that stand right before it in the output, two to twenty of them."""
    before = [one for one in shown if one.end <= mention.start][-20:]
    total = Decimal(0)
    for count, one in enumerate(reversed(before), 1):
        total += Decimal(one.keys[0])
        if count > 1 and any(Decimal(key) == total for key in mention.keys):
            return f"the sum of {count} amounts before it"
    return None


def _nearest_number(mention: Mention, candidates: Sequence[str]) -> str | None:
    try:
        wanted = Decimal(mention.keys[0])
    except InvalidOperation:
        return None
    values = [(abs(abs(found[0].value) - wanted), text) for text in candidates if (found := find_amounts(text))]
    return min(values)[1] if values else None
