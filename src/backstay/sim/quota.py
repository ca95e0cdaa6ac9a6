"""Quota: a provider's own rate limit, kept exactly: no window of its length ever holds more than the limit.

A log of what was admitted in the last `window` seconds, which is the strictest form that a provider may choose, so that a client
which keeps this one keeps fixed windows and token buckets of the same figures as well.
"""

from __future__ import annotations

from collections import deque
from typing import Literal

import msgspec


class Quota(msgspec.Struct, frozen=True, kw_only=True):
    """At most `limit` of `dimension` in any `window` seconds. "tokens" are the input and the most that may be answered."""

    dimension: Literal["requests", "tokens", "input_tokens"]
    limit: int
    window: float = 60.0


class Window:
    """One quota at work."""

    def __init__(self, quota: Quota) -> None:
        self.quota = quota
        self._admitted: deque[tuple[float, int]] = deque()
        self.used = 0

    def wait(self, amount: int, now: float) -> float:
        """Seconds until `amount` fits: 0 when it does now; the whole window where it never will."""
        admitted, edge = self._admitted, now - self.quota.window
        while admitted and admitted[0][0] <= edge:
            self.used -= admitted.popleft()[1]
        excess = self.used + amount - self.quota.limit
        if excess <= 0:
            return 0.0
        for at, size in admitted:
            excess -= size
            if excess <= 0:
                return at - edge
        return self.quota.window

    def admit(self, amount: int, now: float) -> None:
        """Count `amount` at `now`."""
        self._admitted.append((now, amount))
        self.used += amount
