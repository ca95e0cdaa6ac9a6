"""Fit: what the ledger knows of real targets, as a `Scenario`, so that a simulation answers for the providers that one has.

Streams tell the time to the first token and the time of a token, each with its spread; whole answers tell a line through their
times over their lengths. Errors become faults with the share that they had, but for rate limits, which follow from the traffic.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from backstay.ledger.row import Row
from backstay.sim.law import Law, lognormal
from backstay.sim.scenario import Conduct, Scenario


class _Moments:
    """Mean and variance of logarithms, in one pass (Welford 1962): a lognormal law fits values that are above 0."""

    __slots__ = ("count", "mean", "squares")

    def __init__(self) -> None:
        self.count, self.mean, self.squares = 0, 0.0, 0.0

    def add(self, value: float) -> None:
        if value > 0:
            self.count += 1
            step = math.log(value) - self.mean
            self.mean += step / self.count
            self.squares += step * (math.log(value) - self.mean)

    def law(self) -> Law:
        return lognormal(math.exp(self.mean), math.sqrt(self.squares / self.count))


class _Line:
    """Least squares of a whole answer's time over its length: what it takes to begin, and what a token takes."""

    __slots__ = ("count", "x", "xx", "xy", "y")

    def __init__(self) -> None:
        self.count, self.x, self.y, self.xx, self.xy = 0, 0.0, 0.0, 0.0, 0.0

    def add(self, tokens: int, seconds: float) -> None:
        self.count += 1
        self.x += tokens
        self.y += seconds
        self.xx += tokens * tokens
        self.xy += tokens * seconds

    def fit(self) -> tuple[float, float]:
        """(seconds to begin, seconds a token), neither below 0."""
        spread = self.count * self.xx - self.x * self.x
        slope = max((self.count * self.xy - self.x * self.y) / spread, 0.0) if spread > 0 else 0.0
        return max((self.y - slope * self.x) / self.count, 0.0), slope


class _Seen:
    """What the rows of one target tell."""

    def __init__(self) -> None:
        self.first, self.pace, self.whole, self.count = _Moments(), _Moments(), _Line(), 0
        self.faults: dict[str, int] = {}

    def add(self, row: Row) -> None:
        self.count += 1
        name = (row.error or "").partition("(")[0]
        if kind := FAULT_OF.get(name):
            self.faults[kind] = self.faults.get(kind, 0) + 1
        if row.outcome != "complete" or row.latency is None or not row.output_tokens:
            return
        if row.time_to_first_token is None:
            self.whole.add(row.output_tokens, row.latency)
            return
        first = row.time_to_first_token
        if row.output_tokens > 1:
            pace = (row.latency - first) / (row.output_tokens - 1)
            self.pace.add(pace)
            first = (
                first - pace if 0 < pace < first else first
            )  # a simulated stream takes the pace for its first token too
        self.first.add(first)

    def conduct(self) -> Conduct | None:
        facts: dict[str, Any] = {"faults": {kind: found / self.count for kind, found in sorted(self.faults.items())}}
        if self.first.count >= ENOUGH and self.pace.count >= ENOUGH:
            return Conduct(first_token=self.first.law(), per_token=self.pace.law(), **facts)
        if self.whole.count >= ENOUGH:
            first, pace = self.whole.fit()
            return Conduct(first_token=first, per_token=pace, **facts)
        return None


ENOUGH: Final = 20
"""Answers from which a law is fitted; fewer say too little of its spread."""

FAULT_OF: Final = {
    "ServerFault": "status_500",
    "Overloaded": "status_529",
    "ConnectFailed": "refused",
    "ReadFailed": "reset_before_headers",
    "ProtocolError": "truncated",
    "StreamInterrupted": "reset_mid_stream",
}
"""The kind of fault that an error in the ledger becomes. Rate limits are not among them: they follow from the traffic."""


def fit(rows: Iterable[Row]) -> Scenario:
    """What the ledger knows of real targets: those with `ENOUGH` answers. Streams give the time to the first token and a
    token's time with their spread; whole answers a line through their times."""
    seen: dict[str, _Seen] = {}
    for row in rows:
        if row.outcome is not None and not row.is_cached:
            seen.setdefault(f"{row.provider}:{row.model}", _Seen()).add(row)
    return Scenario(targets=dict(_fitted(seen)))


def _fitted(seen: Mapping[str, _Seen]) -> Iterator[tuple[str, Conduct]]:
    for target in sorted(seen):
        if (conduct := seen[target].conduct()) is not None:
            yield target, conduct
