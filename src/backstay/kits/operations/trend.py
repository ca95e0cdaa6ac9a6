"""Trends: where each metric is going, by a line through its last observations that single outliers do not bend.

The slope is the median of all slopes between two observations (Theil 1950, Sen 1968). A trend is told from noise by Kendall's
tau of the same pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from statistics import median

import msgspec

from backstay.kits.operations.state import State

MOST = 40
"""Observations that are compared pair by pair."""


class Trend(msgspec.Struct, frozen=True, kw_only=True):
    """`per_minute` is the slope, `agreement` (Kendall's tau) from -1 to 1 how steadily it goes that way."""

    metric: str
    first: float
    last: float
    per_minute: float
    agreement: float
    count: int

    @property
    def direction(self) -> str:
        """rising, falling or steady."""
        if abs(self.agreement) < 0.4 or self.per_minute == 0:
            return "steady"
        return "rising" if self.per_minute > 0 else "falling"


def trend_of(metric: str, states: Sequence[State]) -> Trend | None:
    """The trend of a metric; None where fewer than two observations have it."""
    points = [(state.at, value) for state in states[-MOST:] if (value := state.get(metric)) is not None]
    if len(points) < 2:
        return None
    pairs = [(later, sooner) for sooner, later in combinations(points, 2) if later[0] > sooner[0]]
    slopes = [(later[1] - sooner[1]) / (later[0] - sooner[0]) for later, sooner in pairs]
    signs = sum((slope > 0) - (slope < 0) for slope in slopes)
    return Trend(
        metric=metric,
        first=points[0][1],
        last=points[-1][1],
        per_minute=median(slopes) * 60 if slopes else 0.0,
        agreement=signs / len(slopes) if slopes else 0.0,
        count=len(points),
    )


def trends_of(states: Sequence[State]) -> list[Trend]:
    """The trend of every metric of the last state, by name."""
    names = sorted(states[-1].metrics) if states else []
    return [found for name in names if (found := trend_of(name, states)) is not None]
