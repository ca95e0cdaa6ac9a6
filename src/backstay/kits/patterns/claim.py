"""Claim: "of the units with these facts, so many have that one", and how it is counted.

A claim is data. A rule makes it, a model may make it, and the same function counts it over the whole store; so the figures
that a pattern shows are never somebody's word. Its rate has the Wilson interval; `base` is the share among all units that the
claim is told apart from.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from backstay.kits.patterns.statistic import wilson
from backstay.kits.patterns.unit import KINDS, Log, Unit, UnitKind

FEW: Final = 20
"""Chances below which a share is told with a caveat: its interval is wider than 0.4."""


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """`then` is one fact; `given` are the facts of the units that are looked at, none for all."""

    unit: UnitKind
    then: tuple[str, str]
    given: tuple[tuple[str, str], ...] = ()

    def counted(self, log: Log) -> Counted:
        """How often it holds in `log`, exactly."""
        key, value = self.then
        chances = [unit for unit in log.units(self.unit) if self.applies(unit) and key in unit.facts]
        hits = tuple(unit.event_id for unit in chances if value in unit.facts[key])
        return Counted(support=len(hits), total=len(chances), evidence=hits)

    def applies(self, unit: Unit) -> bool:
        """Whether the unit has all of `given`."""
        return all(value in unit.facts.get(key, ()) for key, value in self.given)

    def form(self) -> dict[str, Any]:
        """As it stands in a pattern."""
        return {"unit": self.unit, "given": dict(self.given), "then": dict([self.then])}


class Counted(msgspec.Struct, frozen=True, kw_only=True):
    """`support` of `total`; `evidence` names one event for each."""

    support: int
    total: int
    evidence: tuple[str, ...] = ()

    @property
    def rate(self) -> float:
        """The share, 0 where there was no chance."""
        return self.support / self.total if self.total else 0.0

    def figures(self) -> dict[str, Any]:
        """As they stand in a pattern."""
        low, high = wilson(self.support, self.total)
        return {
            "support": self.support,
            "total": self.total,
            "rate": self.rate,
            "interval": [round(low, 6), round(high, 6)],
        }


def read_claim(structured: Mapping[str, Any]) -> Claim | None:
    """The claim of a structured pattern; None where it is of another form, and its figures cannot be counted."""
    given, then, unit = structured.get("given", {}), structured.get("then"), structured.get("unit")
    if unit not in KINDS or not isinstance(given, Mapping) or not isinstance(then, Mapping) or len(then) != 1:
        return None
    facts = [*given.items(), *then.items()]
    if not all(isinstance(key, str) and isinstance(value, str) and value for key, value in facts):
        return None
    return Claim(unit=unit, given=tuple(sorted(given.items())), then=next(iter(then.items())))
