"""Cells: what one rule has granted, in memory. One class per algorithm of `limit.py`, a few integers each; microseconds.

`lacks` tells whether there is no room, `take` grants and gives a receipt, `settle` corrects what the receipt stands for, `delay`
predicts. A gate lies over all of them. Nothing here reads a clock or knows of leases.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Final

import msgspec

from backstay.stores.limit import LARGEST, Rule, Standing, crossed
from backstay.stores.period import Period, period_at

UNKNOWN: Final = -1
"""A delay that nobody can predict."""

LONG_AGO: Final = -(2**53)
KEPT_PERIODS: Final = 64
"""Counts of past periods that a calendar cell keeps, should the wall clock jump back into one."""


class Cell:
    """The state of one rule. `now` is the steady clock's, `wall` the wall clock's in seconds (read by calendar cells only)."""

    __slots__ = ("gate_room", "gate_until", "groups", "overdraft", "reserved", "rule", "waiting", "waiting_amount")

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.reserved = 0
        self.overdraft = 0
        self.waiting = 0
        self.waiting_amount = 0
        self.groups = 0
        self.gate_until = 0
        self.gate_room = 0
        self.adopt(rule)

    def adopt(self, rule: Rule) -> None:
        """Go on under changed figures of the same algorithm."""
        self.rule = rule

    def lacks(self, amount: int, now: int, wall: int) -> bool:
        """True when `amount` more is not allowed now."""
        return self.gate_until > now and self.gate_room < amount

    def take(self, amount: int, now: int, wall: int) -> Any:
        """Grant `amount`; the receipt is for `settle`."""
        if self.gate_until > now:
            self.gate_room -= amount
        self.reserved += amount
        return None

    def settle(self, receipt: Any, amount: int, actual: int, now: int) -> tuple[int, ...]:
        """`amount` was taken and `actual` used; the thresholds that this crossed, in per cent."""
        self.reserved -= amount
        if actual > amount:
            self.overdraft += actual - amount
        return ()

    def delay(self, amount: int, ahead: int, now: int, wall: int) -> int:
        """Microseconds until there is room for `amount` after `ahead` others; 0 with room, UNKNOWN where it cannot be told."""
        return self.gate_until - now if self.gate_until > now and self.gate_room < amount + ahead else 0

    def tighten(self, room: int, until: int, now: int) -> None:
        """Put the gate: a closed one is only prolonged, an open one takes the last observation."""
        if self.gate_until > now and self.gate_room == 0:
            self.gate_until = max(self.gate_until, until) if room == 0 else self.gate_until
        else:
            self.gate_room, self.gate_until = room, until

    def used(self, now: int, wall: int) -> int:
        """The units that count against the capacity."""
        return self.reserved

    def is_idle(self, now: int, wall: int) -> bool:
        """True when nothing would be lost by forgetting this cell."""
        return not (self.waiting or self.reserved or self.gate_until > now or self.used(now, wall))

    def standing(self, now: int, wall: int) -> Standing:
        """How the rule stands."""
        used = self.used(now, wall)
        has_gate = self.gate_until > now
        return Standing(
            rule=self.rule,
            used=used,
            reserved=min(self.reserved, used),
            waiting=self.waiting,
            overdraft=self.overdraft,
            gate_room=self.gate_room if has_gate else None,
            gate_seconds=(self.gate_until - now) / 1e6 if has_gate else None,
        )


class Logged(msgspec.Struct, gc=False):
    """A grant in a log; `is_open` until it is settled."""

    at: int
    amount: int
    is_open: bool = True


class Strict(Cell):
    """A log of grants; they leave it a microsecond after the window in which they came, since instants are rounded."""

    __slots__ = ("capacity", "log", "total", "window")

    def __init__(self, rule: Rule) -> None:
        self.log: deque[Logged] = deque()
        self.total = 0
        super().__init__(rule)

    def adopt(self, rule: Rule) -> None:
        self.rule = rule
        self.capacity = rule.capacity
        self.window = rule.window_us + 1

    def _forget(self, now: int) -> None:
        log, edge = self.log, now - self.window
        while log and log[0].at <= edge:
            old = log.popleft()
            self.total -= old.amount
            if old.is_open:
                self.reserved -= old.amount

    def lacks(self, amount: int, now: int, wall: int) -> bool:
        log = self.log
        if log and log[0].at <= now - self.window:
            self._forget(now)
        return self.total + amount > self.capacity or (self.gate_until > now and self.gate_room < amount)

    def take(self, amount: int, now: int, wall: int) -> Logged:
        if self.gate_until > now:
            self.gate_room -= amount
        self.reserved += amount
        self.total += amount
        entry = Logged(now, amount)
        self.log.append(entry)
        return entry

    def settle(self, receipt: Logged, amount: int, actual: int, now: int) -> tuple[int, ...]:
        if actual > amount:
            self.overdraft += actual - amount
        self._forget(now)
        if receipt.at > now - self.window:
            self.reserved -= amount
            self.total += actual - amount
            receipt.amount, receipt.is_open = actual, False
        return ()

    def delay(self, amount: int, ahead: int, now: int, wall: int) -> int:
        self._forget(now)
        need = amount + ahead
        windows = max(-(-need // self.capacity) - 1, 0)
        excess = self.total + need - windows * self.capacity - self.capacity
        wait = windows * self.window
        if excess > 0:
            for old in self.log:
                excess -= old.amount
                if excess <= 0:
                    wait += old.at + self.window - now
                    break
        return max(wait, super().delay(amount, ahead, now, wall))

    def used(self, now: int, wall: int) -> int:
        self._forget(now)
        return self.total


class Bucket(Cell):
    """GCRA: one instant, `tat`, at which the bucket is full again."""

    __slots__ = ("amount", "capacity", "cost", "depth", "tat", "window")

    def __init__(self, rule: Rule) -> None:
        self.tat = LONG_AGO
        super().__init__(rule)

    def adopt(self, rule: Rule) -> None:
        self.rule = rule
        self.capacity = rule.capacity
        self.window = rule.window_us
        self.depth = rule.burst * rule.window_us // rule.capacity
        self.amount = self.cost = 0

    def _cost(self, amount: int) -> int:
        """What `amount` costs, remembered: who is asked whether there is room is asked to grant it next."""
        self.amount, self.cost = amount, -(-amount * self.window // self.capacity)
        return self.cost

    def lacks(self, amount: int, now: int, wall: int) -> bool:
        cost = self.cost if amount == self.amount else self._cost(amount)
        base = self.tat if cost > self.depth or self.tat > now else now
        return base + cost - now > self.depth or (self.gate_until > now and self.gate_room < amount)

    def take(self, amount: int, now: int, wall: int) -> None:
        if self.gate_until > now:
            self.gate_room -= amount
        self.reserved += amount
        cost = self.cost if amount == self.amount else self._cost(amount)
        self.tat = (self.tat if self.tat > now else now) + cost

    def settle(self, receipt: None, amount: int, actual: int, now: int) -> tuple[int, ...]:
        self.reserved -= amount
        if actual < amount:
            if self.tat > now:  # no further back than to a full bucket
                self.tat = max(self.tat - (amount - actual) * self.window // self.capacity, now)
        elif actual > amount:
            self.overdraft += actual - amount
            self.tat = max(self.tat, now) + -(-(actual - amount) * self.window // self.capacity)
        return ()

    def delay(self, amount: int, ahead: int, now: int, wall: int) -> int:
        cost = -(-(amount + ahead) * self.window // self.capacity)
        is_large = not ahead and cost > self.depth
        wait = (self.tat if is_large else max(self.tat, now)) + cost - self.depth - now
        return max(wait, 0, super().delay(amount, ahead, now, wall))

    def used(self, now: int, wall: int) -> int:
        return max(-(-(self.tat - now) * self.capacity // self.window), 0)


class Count:
    """What one period holds."""

    __slots__ = ("end", "overdraft", "period", "reserved", "spent", "start")

    def __init__(self, period: Period) -> None:
        self.period = period
        self.start, self.end = period
        self.spent = self.reserved = self.overdraft = 0


class Calendar(Cell):
    """A count for each period, kept under its start; the one of now is at hand."""

    __slots__ = ("alert_from", "capacity", "count", "counts")

    def __init__(self, rule: Rule) -> None:
        self.counts: dict[int, Count] = {}
        self.count = Count(Period(0, 0))
        super().__init__(rule)

    def adopt(self, rule: Rule) -> None:
        self.rule = rule
        self.capacity = rule.capacity
        self.alert_from = -(-rule.capacity * min(rule.alert_at) // 100) if rule.alert_at else LARGEST

    def at(self, wall: int) -> Count:
        """The count of the period that holds `wall`."""
        count = self.count
        if not count.start <= wall < count.end:
            assert self.rule.span is not None
            period = period_at(self.rule.span, self.rule.zone, wall)
            count = self.count = self.counts.setdefault(period.start, Count(period))
            if len(self.counts) > KEPT_PERIODS:
                del self.counts[min(start for start in self.counts if start != period.start)]
        return count

    def lacks(self, amount: int, now: int, wall: int) -> bool:
        count = self.count
        if not count.start <= wall < count.end:
            count = self.at(wall)
        return count.spent + count.reserved + amount > self.capacity or (
            self.gate_until > now and self.gate_room < amount
        )

    def take(self, amount: int, now: int, wall: int) -> Count:
        if self.gate_until > now:
            self.gate_room -= amount
        count = self.count
        if not count.start <= wall < count.end:
            count = self.at(wall)
        count.reserved += amount
        return count

    def settle(self, receipt: Count, amount: int, actual: int, now: int) -> tuple[int, ...]:
        receipt.reserved -= amount
        if actual > amount:
            receipt.overdraft += actual - amount
        before = receipt.spent
        receipt.spent = after = before + actual
        return () if after < self.alert_from else crossed(self.rule, before, after)

    def delay(self, amount: int, ahead: int, now: int, wall: int) -> int:
        count, gate = self.at(wall), super().delay(amount, ahead, now, wall)
        if count.spent + count.reserved + amount + ahead <= self.capacity:
            return gate
        if count.spent + amount + ahead <= self.capacity:
            return gate or UNKNOWN
        return max((count.period.end - wall) * 1_000_000, gate)

    def used(self, now: int, wall: int) -> int:
        count = self.at(wall)
        return count.spent + count.reserved

    def is_idle(self, now: int, wall: int) -> bool:
        return not self.waiting and not any(count.spent or count.reserved for count in self.counts.values())

    def standing(self, now: int, wall: int) -> Standing:
        count = self.at(wall)
        self.reserved, self.overdraft = count.reserved, count.overdraft
        found = super().standing(now, wall)
        return msgspec.structs.replace(found, start=count.period.start, end=count.period.end)


class Gauge(Cell):
    """Who is inside now."""

    __slots__ = ()

    def lacks(self, amount: int, now: int, wall: int) -> bool:
        return self.reserved + amount > self.rule.capacity or (self.gate_until > now and self.gate_room < amount)

    def delay(self, amount: int, ahead: int, now: int, wall: int) -> int:
        gate = super().delay(amount, ahead, now, wall)
        return gate if self.reserved + amount + ahead <= self.rule.capacity else gate or UNKNOWN

    def settle(self, receipt: None, amount: int, actual: int, now: int) -> tuple[int, ...]:
        self.reserved -= amount
        return ()


class Open(Cell):
    """No limit; only its gate."""

    __slots__ = ()

    def used(self, now: int, wall: int) -> int:
        return 0


CELLS: Final[dict[str, type[Cell]]] = {
    "strict": Strict,
    "bucket": Bucket,
    "calendar": Calendar,
    "gauge": Gauge,
    "open": Open,
}
