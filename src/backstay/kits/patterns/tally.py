"""Tally: the counts of one kind of share, over units and over the cases that they are in.

The figures of a pattern are counts of units. Whether chance does as much is asked of the cases: what happens within one is
not independent, so a case with a hundred events is one witness and not a hundred, and says what share of its own chances
shows the thing (the mean of clusters; Kish, "Survey Sampling", 1965).
"""

from __future__ import annotations

import itertools
import math
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

from backstay.kits.patterns.unit import Unit

Values: TypeAlias = tuple[str, ...]


class Witnesses(NamedTuple):
    """`cases` with a chance, and the sum of the shares of their chances that showed the thing."""

    hits: float
    cases: int

    @property
    def fewest(self) -> int:
        """The hits as a whole number, rounded against what would be too many."""
        return math.floor(self.hits + 1e-9)

    @property
    def most(self) -> int:
        """The hits as a whole number, rounded against what would be too few."""
        return math.ceil(self.hits - 1e-9)


class Tally:
    """Counts of the fact `then` over the values of the facts `given`."""

    def __init__(self, units: list[Unit], given: tuple[str, ...], then: str) -> None:
        self.hits: dict[tuple[Values, str], list[str]] = defaultdict(list)
        self.totals: Counter[Values] = Counter()
        self.overall: Counter[str] = Counter()
        self.count = 0
        self._chances: dict[Values, Counter[str]] = defaultdict(Counter)
        self._hits: dict[tuple[Values, str], Counter[str]] = defaultdict(Counter)
        self._all: Counter[str] = Counter()
        self._all_hits: dict[str, Counter[str]] = defaultdict(Counter)
        for unit in units:
            if then in unit.facts and all(key in unit.facts for key in given):
                self._add(unit, given, unit.facts[then])

    def _add(self, unit: Unit, given: tuple[str, ...], several: Values) -> None:
        self.count += 1
        self.overall.update(several)
        self._all[unit.case] += 1
        for value in several:
            self._all_hits[value][unit.case] += 1
        for values in itertools.product(*(unit.facts[key] for key in given)):
            self.totals[values] += 1
            self._chances[values][unit.case] += 1
            for value in several:
                self.hits[values, value].append(unit.event_id)
                self._hits[values, value][unit.case] += 1

    def shares(self) -> Iterator[tuple[Values, str]]:
        """Each combination that was seen, in the order of its first unit."""
        yield from self.hits

    def base(self, value: str) -> float:
        """The share among all units."""
        return self.overall[value] / self.count

    def witnesses(self, values: Values, value: str) -> Witnesses:
        """What the cases say of it."""
        return _witnesses(self._hits[values, value], self._chances[values])

    def case_base(self, value: str) -> float:
        """The share among all cases, each counting once."""
        found = _witnesses(self._all_hits[value], self._all)
        return found.hits / found.cases


def _witnesses(hits: Counter[str], chances: Counter[str]) -> Witnesses:
    return Witnesses(math.fsum(count / chances[case] for case, count in hits.items()), len(chances))
