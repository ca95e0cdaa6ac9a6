"""Gauge: a store of limits that is watched: what each rule granted, to whom it said no, and how long claims waited.

It stands around the store that the real Admission asks, decides nothing, and so sees every rule of every scope, whatever the
settings are: a rule's use is what was settled, at the instant at which it was granted.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from backstay.ports import Clock
from backstay.stores.limit import SLACK_US, Alert, Answer, Claim, Granted, LimitStore, Refused, Rule, Standing, Waiting
from backstay.stores.period import Period, period_at

OPEN_WINDOWS: Final = 64
"""Windows of a rule whose use is still counted up; older ones are settled, and only the fullest of them is remembered."""


class Use:
    """One rule: `total` units used, the fullest window (or period, or instant) of all, and the first time it said no for good."""

    __slots__ = ("_period", "_windows", "held", "peak", "refusals", "refused_at", "rule", "total")

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.total = self.held = self.peak = self.refusals = 0
        self.refused_at: float | None = None
        self._windows: dict[int, int] = {}
        self._period: Period | None = None

    def take(self, amount: int, at: float, wall: int) -> int:
        """`amount` was granted at `at`; the window that it belongs to."""
        self.total += amount
        if self.rule.algorithm == "gauge":
            self.held += amount
            self.peak = max(self.peak, self.held)
            return 0
        window = self._window(at, wall)
        self._windows[window] = self._windows.get(window, 0) + amount
        if len(self._windows) > OPEN_WINDOWS:
            self.peak = max(self.peak, self._windows.pop(next(iter(self._windows))))
        return window

    def settle(self, difference: int, window: int) -> None:
        """What was granted in `window` turned out to be `difference` more."""
        self.total += difference
        if window in self._windows:
            self._windows[window] += difference

    def fullest(self) -> int:
        """The most that one window used."""
        return max(self.peak, *self._windows.values(), 0)

    def _window(self, at: float, wall: int) -> int:
        rule = self.rule
        if rule.span is None:
            return int(at * 1e6) // (rule.window_us or 1)
        if self._period is None or not self._period.start <= wall < self._period.end:
            self._period = period_at(rule.span, rule.zone, wall)
        return self._period.start


class _Lease:
    __slots__ = ("at", "claim", "windows")

    def __init__(self, claim: Claim, at: float) -> None:
        self.claim = claim
        self.at = at
        self.windows: list[int] | None = None


class Gauge:
    """A LimitStore around another. `waited(seconds)` hears of each claim that was granted, in the task of the call."""

    def __init__(
        self, inner: LimitStore, *, clock: Clock, asked: Callable[[], None], waited: Callable[[float], None]
    ) -> None:
        self._inner = inner
        self._clock = clock
        self._asked = asked
        self._waited = waited
        self._leases: dict[str, _Lease] = {}
        self.uses: dict[str, Use] = {}

    async def reserve(self, claim: Claim) -> Answer:
        self._asked()
        lease = self._leases.get(claim.lease_id)
        if lease is None:
            lease = self._leases[claim.lease_id] = _Lease(claim, self._clock.monotonic())
        return self._seen(lease, await self._inner.reserve(claim))

    async def check(self, lease_id: str) -> Answer:
        answer = await self._inner.check(lease_id)
        lease = self._leases.get(lease_id)
        return answer if lease is None else self._seen(lease, answer)

    def _seen(self, lease: _Lease, answer: Answer) -> Answer:
        now = self._clock.monotonic()
        if isinstance(answer, Granted) and lease.windows is None:
            self._waited(now - lease.at)
            lease.at, wall = now, self._clock.wall_ns() // 10**9
            lease.windows = [self._use(entry.rule).take(entry.amount, now, wall) for entry in lease.claim.entries]
        elif isinstance(answer, Refused) and answer.reason != "gone":
            del self._leases[lease.claim.lease_id]
            self._refused(lease, answer.rule, now)
        elif isinstance(answer, Waiting) and lease.windows is None:
            left = lease.at + lease.claim.max_wait + SLACK_US / 1e6 - now
            if left <= 0 or answer.wait > left:  # then whoever asks gives up its place in line: `acquire` of the layers
                del self._leases[lease.claim.lease_id]
                self._refused(lease, answer.rule, now)
        return answer

    def _refused(self, lease: _Lease, rule: str, now: float) -> None:
        use = next((self._use(entry.rule) for entry in lease.claim.entries if entry.rule.key == rule), None)
        if use is not None:
            use.refusals += 1
            use.refused_at = now if use.refused_at is None else use.refused_at

    def _use(self, rule: Rule) -> Use:
        use = self.uses.get(rule.key)
        if use is None:
            use = self.uses[rule.key] = Use(rule)
        return use

    async def pause(self, lease_id: str, seconds: float) -> None:
        await self._inner.pause(lease_id, seconds)

    def settle(self, lease_id: str, actual: Mapping[str, int]) -> Awaitable[int]:
        self._end(lease_id, actual)
        return self._inner.settle(lease_id, actual)

    def release(self, lease_id: str) -> Awaitable[int]:
        self._end(lease_id, None)
        return self._inner.release(lease_id)

    def _end(self, lease_id: str, actual: Mapping[str, int] | None) -> None:
        """Note what a granted lease used; None: nothing."""
        lease = self._leases.pop(lease_id, None)
        if lease is None or lease.windows is None:
            return
        for entry, window in zip(lease.claim.entries, lease.windows, strict=True):
            use, rule, amount = self.uses[entry.rule.key], entry.rule, entry.amount
            if rule.algorithm == "gauge":
                use.held -= amount
            else:
                used = 0 if actual is None else actual.get(rule.dimension, amount)
                if used != amount:
                    use.settle(used - amount, window)

    def tighten(self, rule: Rule, room: int, seconds: float) -> Awaitable[int]:
        return self._inner.tighten(rule, room, seconds)

    async def standings(self, scope: str | None = None) -> Sequence[Standing]:
        return await self._inner.standings(scope)

    async def due_alerts(self, seconds: float) -> Sequence[Alert]:
        return await self._inner.due_alerts(seconds)

    def delivered(self, alert: Alert) -> Awaitable[int]:
        return self._inner.delivered(alert)

    async def aclose(self) -> None:
        await self._inner.aclose()
