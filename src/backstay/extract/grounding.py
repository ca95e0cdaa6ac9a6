"""Grounding: what an output states that its sources do not.

Every code, date, amount, percentage, contact, id and name of the output is looked for in the sources in its normalized
form. What is not there may still be derivable: a deadline from a date and a number of days in the sources, a total from a
list of amounts that the output itself shows. The rest is reported with its place and the nearest thing that the sources
do say.

This is a check of facts that have a form. It claims nothing about meaning: a sentence can be false without a single wrong
name or number, and an item can be in the source and mean something else there. `entailment.py` asks a model about that.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from backstay.extract.mention import Kind, Mention, find_mentions
from backstay.extract.name import phrases
from backstay.extract.support import Support

STRICT: frozenset[Kind] = frozenset({"code", "date", "amount", "percent", "contact", "id"})
"""The kinds whose absence is a fault in a generated document; names are weaker evidence."""


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """One checkable item of the output. `derived` says how it follows from the sources; `nearest` is the closest item
    there."""

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
    """The Report of `output` against `sources` (one text or several); `kinds` narrows what is checked.

    >>> report = check("Pay 90.00 by 3 May 2026.", "Invoice of 2026-04-03, 80.00, due within 30 days.")
    >>> [(item.text, item.derived, item.nearest) for item in report.items]
    [('90.00', None, '80.00'), ('3 May 2026', '2026-04-03 plus 30 days', None)]
    """
    support = Support([sources] if isinstance(sources, str) else list(sources))
    wanted = None if kinds is None else frozenset(kinds)
    mentions = [mention for mention in find_mentions(output) if wanted is None or mention.kind in wanted]
    shown = [mention for mention in mentions if mention.kind == "amount" and support.states(mention)]
    spelled = _spelled_out(output, support) if wanted is None or "name" in wanted else {}
    return Report(items=tuple(_judge(mention, support, shown, spelled) for mention in mentions))


def _judge(mention: Mention, support: Support, shown: list[Mention], spelled: dict[int, str]) -> Item:
    item = Item(kind=mention.kind, text=mention.text, start=mention.start, end=mention.end, grounded=True)
    if support.states(mention):
        return item
    derived = support.derive(mention, shown)
    if derived is None and mention.kind == "name" and mention.start in spelled:
        derived = f"spelled out from {spelled[mention.start]}"
    if derived is not None:
        return msgspec.structs.replace(item, derived=derived)
    return msgspec.structs.replace(item, grounded=False, nearest=support.nearest(mention))


def _spelled_out(output: str, support: Support) -> dict[int, str]:
    """The places of words that spell out an acronym of the sources, with that acronym."""
    found: dict[int, str] = {}
    for run in phrases(output):
        acronym = support.spells_out([match[0] for match in run])
        if acronym is not None:
            found.update((match.start(), acronym) for match in run)
    return found
