"""Sketch: percentiles and time series of any number of values in memory that does not grow with them.

`Sketch` is DDSketch (Masson, Rim and Lee, VLDB 2019): values are counted in bins whose width grows with the value, so that a
percentile is off by 0.5 % of itself at most, whatever the distribution. `Timeline` adds up amounts over time in at most
`MOST_BINS` bins; when they do not reach, their width doubles. Both give the same figures for the same values.
"""

from __future__ import annotations

import math
from typing import Final

import msgspec

ERROR: Final = 0.005
"""The largest relative error of a percentile."""

GROWTH: Final = math.log((1 + ERROR) / (1 - ERROR))
LEAST: Final = 1e-6
"""Seconds: what is below counts as 0; a microsecond is less than anything that is waited for."""

MOST_BINS: Final = 256
_log = math.log


class Percentiles(msgspec.Struct, frozen=True, kw_only=True):
    """Of `count` values: the mean and the largest are exact, the others true to 0.5 %."""

    count: int = 0
    mean: float = 0.0
    p50: float = 0.0
    p95: float = 0.0
    p99: float = 0.0
    largest: float = 0.0


class Sketch:
    """Percentiles of values that are 0 or more."""

    __slots__ = ("_bins", "_zeros", "count", "largest", "total")

    def __init__(self) -> None:
        self._bins: dict[int, int] = {}
        self._zeros = 0
        self.count = 0
        self.total = 0.0
        self.largest = 0.0

    def add(self, value: float) -> None:
        """Count one value."""
        self.count += 1
        self.total += value
        if value > self.largest:
            self.largest = value
        if value < LEAST:
            self._zeros += 1
            return
        place = math.ceil(_log(value) / GROWTH)
        self._bins[place] = self._bins.get(place, 0) + 1

    def merge(self, other: Sketch) -> None:
        """Take in what another one counted."""
        self._zeros += other._zeros
        self.count += other.count
        self.total += other.total
        self.largest = max(self.largest, other.largest)
        for place, count in other._bins.items():
            self._bins[place] = self._bins.get(place, 0) + count

    def at(self, share: float) -> float:
        """The value that `share` of all values do not exceed; 0.0 where there is none."""
        rank = share * (self.count - 1)
        seen = self._zeros
        if rank < seen or not self._bins:
            return 0.0
        for place in sorted(self._bins):
            seen += self._bins[place]
            if rank < seen:
                break
        return min(2 * math.exp(place * GROWTH) / (math.exp(GROWTH) + 1), self.largest)

    def percentiles(self) -> Percentiles:
        """The figures of a report, rounded to a microsecond."""
        figures = {"mean": self.total / self.count if self.count else 0.0, "largest": self.largest}
        figures |= {name: self.at(share) for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))}
        return Percentiles(count=self.count, **{name: round(value, 6) for name, value in figures.items()})


class Timeline:
    """Amounts over time from 0.0 on, in bins of `width` seconds, which doubles when the bins do not reach."""

    __slots__ = ("bins", "width")

    def __init__(self, width: float = 1.0) -> None:
        self.width = width
        self.bins: list[float] = []

    def add(self, at: float, amount: float = 1) -> None:
        """Add `amount` at the time `at`; its bin may lie behind the latest one."""
        place = int(at / self.width)
        if place >= len(self.bins):
            while place >= MOST_BINS:
                self._double()
                place = int(at / self.width)
            self.bins.extend([0.0] * (place + 1 - len(self.bins)))
        self.bins[place] += amount

    def _double(self) -> None:
        self.width *= 2
        bins = self.bins
        self.bins = [sum(bins[place : place + 2]) for place in range(0, len(bins), 2)]

    def points(self, scale: float = 1.0) -> tuple[tuple[float, float], ...]:
        """Each bin's begin and its amount times `scale`, for a chart."""
        return tuple((round(place * self.width, 6), amount * scale) for place, amount in enumerate(self.bins))
