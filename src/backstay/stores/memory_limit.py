"""MemoryLimits: leases and their line in one process. The semantics are `limit.py`'s; here is how they are quick.

Everything is synchronous between two suspension points of one event loop, so each operation is atomic without a lock. A claim
that finds nobody in line is decided without a pass. A pass looks at the head of each group only, and stops at the first that
holds a rule which all groups share. A waiter sleeps on a future that its grant sets, and on a timer for the instant at which
its rules have room; nobody asks in a loop.

A store belongs to one event loop at a time, as a client does.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left, insort
from collections.abc import Awaitable, Mapping, Sequence
from heapq import heapify, heappop, heapreplace
from typing import Any, Final, TypeAlias

import msgspec

from backstay.ports import Clock
from backstay.stores.limit import (
    MAX_WAITING,
    RANK,
    RANK_DELAY,
    SLACK_US,
    Alert,
    Answer,
    Claim,
    Granted,
    Refused,
    Rule,
    Standing,
    Told,
    Waiting,
)
from backstay.stores.memory_cell import CELLS, UNKNOWN, Calendar, Cell

GRANTED: Final = Granted()
NEVER: Final = 2**62
FIRST_SWEEP: Final = 1024
"""Cells that are kept before idle ones are looked for; the next sweep comes when their number has doubled."""

KEPT_ALERTS: Final = 10_000
Place: TypeAlias = tuple[int, int]


NOTHING_RAISED: Final = Told(0)


class Lease(msgspec.Struct, gc=False, eq=False):
    """One claim that is in line or granted. `receipts` is None until it is granted. Only while it waits is it in a cycle."""

    claim: Claim
    cells: list[Cell]
    expires: int
    receipts: list[Any] | None = None
    place: Place = (0, 0)
    group: Group | None = None
    future: asyncio.Future[None] | None = None
    has_news: bool = False
    due: int = NEVER

    def wake(self) -> None:
        self.has_news = True
        if self.future is not None and not self.future.done():
            self.future.set_result(None)


class Group:
    """The waiting leases with one set of rules, by place."""

    __slots__ = ("cells", "keys", "leases", "places")

    def __init__(self, keys: tuple[str, ...], cells: list[Cell]) -> None:
        self.keys = keys
        self.cells = cells
        self.places: list[Place] = []
        self.leases: dict[Place, Lease] = {}


class MemoryLimits:
    """A LimitStore in memory: gone with the process."""

    def __init__(self, clock: Clock, *, max_waiting: int = MAX_WAITING) -> None:
        self._monotonic = clock.monotonic
        self._wall_ns = clock.wall_ns
        self._max_waiting = max_waiting
        self._now = 0
        self._cells: dict[str, Cell] = {}
        self._leases: dict[str, Lease] = {}
        self._by_ttl: dict[float, dict[str, Lease]] = {}
        self._groups: dict[tuple[str, ...], Group] = {}
        self._waiting = 0
        self._sequence = 0
        self._next_expiry = NEVER
        self._sweep_at = FIRST_SWEEP
        self._alerts: dict[tuple[str, int, int], tuple[Alert, int]] = {}

    # --- asking

    async def reserve(self, claim: Claim) -> Answer:
        """Granted, Waiting or Refused; see LimitStore."""
        if claim.lease_id in self._leases:
            return self._check(claim.lease_id)
        now, wall = self._tick(), self._wall_ns() // 1_000_000_000
        cells = self._cells
        found: list[Cell] = []
        has_room = True
        for entry in claim.entries:
            rule, amount = entry.rule, entry.amount
            cell = cells.get(rule.key)
            if cell is None or cell.rule is not rule:
                cell = self._cell(rule)
            found.append(cell)
            if amount > rule.capacity and amount > rule.most:
                return Refused(rule.key, None, "never")
            if has_room and cell.lacks(amount, now, wall):
                has_room = False
        lease = Lease(claim, found, now)
        if self._waiting or (now >= self._next_expiry and not has_room):
            return self._line_up(lease, now, wall)
        if has_room:
            self._grant(lease, now, wall)
            return GRANTED
        wait, key = self._predict(lease, now, wall, {})
        if claim.max_wait <= 0 or wait > claim.max_wait * 1e6 + SLACK_US:  # nobody to stand behind: no need for a line
            self._note_stop(key, wall)
            return Refused(key, None if wait < 0 else wait / 1e6, "full")
        return self._line_up(lease, now, wall)

    async def check(self, lease_id: str) -> Answer:
        """How the lease stands now."""
        return self._check(lease_id)

    def _check(self, lease_id: str) -> Answer:
        now, wall = self._tick(), self._wall()
        self._pass(now, wall)
        lease = self._leases.get(lease_id)
        if lease is None:
            return Refused("", None, "gone")
        if lease.receipts is not None:
            return GRANTED
        self._renew(lease, lease.claim.patience, now)
        wait, rule = self._predict(lease, now, wall, {})
        return Waiting(self._place(lease), max(wait, 0) / 1e6, rule)

    async def pause(self, lease_id: str, seconds: float) -> None:
        """Wait for the lease's grant, for the instant at which its rules have room, or for `seconds`."""
        lease = self._leases.get(lease_id)
        if lease is None or lease.receipts is not None or lease.has_news:
            if lease is not None:
                lease.has_news = False
            return
        now = self._tick()
        wait, _ = self._predict(lease, now, self._wall(), {})
        delay = seconds if wait <= 0 else min(seconds, wait / 1e6)
        lease.due = now + round(delay * 1e6)
        loop = asyncio.get_running_loop()
        lease.future = loop.create_future()
        timer = loop.call_later(delay, lease.wake)
        try:
            await lease.future
        finally:
            timer.cancel()
            lease.future, lease.has_news, lease.due = None, False, NEVER

    # --- ending

    def settle(self, lease_id: str, actual: Mapping[str, int]) -> Awaitable[int]:
        """The lease ended; see LimitStore."""
        now = self._tick()
        raised = self._end(lease_id, actual, now)
        if self._waiting or now >= self._next_expiry:
            self._pass(now, self._wall())
        return Told(raised) if raised else NOTHING_RAISED

    def release(self, lease_id: str) -> Awaitable[int]:
        """The lease was not used."""
        return self.settle(lease_id, _NOTHING)

    def tighten(self, rule: Rule, room: int, seconds: float) -> Awaitable[int]:
        """Put a gate around `rule`."""
        now = self._tick()
        self._cell(rule).tighten(max(room, 0), now + round(max(seconds, 0.0) * 1e6), now)
        self._pass(now, self._wall())
        return NOTHING_RAISED

    def _end(self, lease_id: str, actual: Mapping[str, int], now: int) -> int:
        lease = self._leases.pop(lease_id, None)
        if lease is None:
            return 0
        if lease.receipts is None:
            self._by_ttl[lease.claim.patience].pop(lease_id, None)
            self._leave(lease)
            lease.wake()
            return 0
        self._by_ttl[lease.claim.ttl].pop(lease_id, None)
        raised = 0
        used = actual.get
        for entry, cell, receipt in zip(lease.claim.entries, lease.cells, lease.receipts):  # noqa: B905 - as in _grant
            amount = entry.amount
            crossed = cell.settle(receipt, amount, used(entry.rule.dimension, amount), now)
            if crossed:
                raised += sum(self._raise_alert(cell, receipt, percent) for percent in crossed)
        return raised

    # --- the line

    def _grant(self, lease: Lease, now: int, wall: int) -> None:
        claim = lease.claim
        receipts = lease.receipts = []
        for entry, cell in zip(claim.entries, lease.cells):  # noqa: B905 - made together; `strict` doubles the loop's cost
            receipts.append(cell.take(entry.amount, now, wall))
        lease_id, ttl = claim.lease_id, claim.ttl
        self._leases[lease_id] = lease
        line = self._by_ttl.get(ttl)
        if line is None:
            line = self._by_ttl[ttl] = {}
        line[lease_id] = lease
        lease.expires = expires = now + int(ttl * 1e6)
        if expires < self._next_expiry:
            self._next_expiry = expires

    def _line_up(self, lease: Lease, now: int, wall: int) -> Answer:
        """A claim that cannot simply be granted: a pass with it in line, then the answer."""
        self._pass(now, wall)
        claim = lease.claim
        self._sequence += 1
        lease.place = (now + RANK[claim.priority] * RANK_DELAY, self._sequence)
        self._enter(lease, now)
        self._pass(now, wall)
        if lease.receipts is not None:
            return GRANTED
        wait, rule = self._predict(lease, now, wall, self._ahead(lease))
        retry_after = None if wait < 0 else wait / 1e6
        if claim.max_wait <= 0 or wait > claim.max_wait * 1e6 + SLACK_US:
            self._end(claim.lease_id, _NOTHING, now)
            self._note_stop(rule, wall)
            return Refused(rule, retry_after, "full")
        if self._waiting > self._max_waiting:
            self._end(claim.lease_id, _NOTHING, now)
            return Refused(rule, retry_after, "line")
        return Waiting(self._place(lease), max(wait, 0) / 1e6, rule)

    def _enter(self, lease: Lease, now: int) -> None:
        claim = lease.claim
        keys = tuple(entry.rule.key for entry in claim.entries)
        group = self._groups.get(keys)
        if group is None:
            group = self._groups[keys] = Group(keys, lease.cells)
            for cell in lease.cells:
                cell.groups += 1
        lease.group = group
        insort(group.places, lease.place)
        group.leases[lease.place] = lease
        for entry, cell in zip(claim.entries, lease.cells, strict=True):
            cell.waiting += 1
            cell.waiting_amount += entry.amount
        self._waiting += 1
        self._leases[claim.lease_id] = lease
        self._renew(lease, claim.patience, now)

    def _leave(self, lease: Lease) -> None:
        group, lease.group = lease.group, None
        assert group is not None
        del group.places[bisect_left(group.places, lease.place)]
        del group.leases[lease.place]
        for entry, cell in zip(lease.claim.entries, lease.cells, strict=True):
            cell.waiting -= 1
            cell.waiting_amount -= entry.amount
        self._waiting -= 1
        if not group.places:
            del self._groups[group.keys]
            for cell in group.cells:
                cell.groups -= 1

    def _place(self, lease: Lease) -> int:
        assert lease.group is not None
        return bisect_left(lease.group.places, lease.place) + 1

    def _pass(self, now: int, wall: int) -> None:
        """Grant whom there is room for, in order; see `limit.py`."""
        if now >= self._next_expiry:
            self._expire(now)
        if not self._waiting:
            return
        heads = [(group.places[0], group) for group in self._groups.values()]
        heapify(heads)  # places are unique, so groups are never compared
        held: set[str] = set()
        while heads:
            place, group = heads[0]
            lease = group.leases[place]
            lacking = self._lacking(lease, held, now, wall)
            if lacking is not None:
                held.update(lacking)
                if self._is_shared_by_all(lacking):
                    return
                heappop(heads)
                continue
            self._leave(lease)
            self._by_ttl[lease.claim.patience].pop(lease.claim.lease_id, None)
            self._grant(lease, now, wall)
            lease.wake()
            if group.places:
                heapreplace(heads, (group.places[0], group))
            else:
                heappop(heads)

    def _lacking(self, lease: Lease, held: set[str], now: int, wall: int) -> list[str] | None:
        """The rules that have no room for the lease, [] where others hold one; None when it can go. Its timer is set anew."""
        lacking = [
            entry.rule.key
            for entry, cell in zip(lease.claim.entries, lease.cells, strict=True)
            if cell.lacks(entry.amount, now, wall)
        ]
        if not lacking:
            return [] if any(entry.rule.key in held for entry in lease.claim.entries) else None
        if lease.future is not None:
            wait, _ = self._predict(lease, now, wall, {})
            if wait > 0 and now + wait < lease.due:
                lease.wake()
        return lacking

    def _is_shared_by_all(self, keys: Sequence[str]) -> bool:
        every = len(self._groups)
        return any(self._cells[key].groups == every for key in keys)

    def _predict(self, lease: Lease, now: int, wall: int, ahead: Mapping[str, int]) -> tuple[int, str]:
        """Microseconds until the lease's rules have room (UNKNOWN where that cannot be told), and the rule that takes longest."""
        longest, rule = 0, ""
        for entry, cell in zip(lease.claim.entries, lease.cells, strict=True):
            key = entry.rule.key
            wait = cell.delay(entry.amount, ahead.get(key, 0), now, wall)
            if wait > max(longest, 0) or (wait == UNKNOWN and not rule):
                longest, rule = wait, key
        return longest, rule or lease.claim.entries[0].rule.key

    def _ahead(self, lease: Lease) -> dict[str, int]:
        """By rule, the amounts of the leases that stand before this one."""
        if all(group.places[-1] <= lease.place for group in self._groups.values()):
            return {
                entry.rule.key: cell.waiting_amount - entry.amount
                for entry, cell in zip(lease.claim.entries, lease.cells, strict=True)
            }
        sums = {entry.rule.key: 0 for entry in lease.claim.entries}
        for group in self._groups.values():
            for place in group.places[: bisect_left(group.places, lease.place)]:
                for entry in group.leases[place].claim.entries:
                    if entry.rule.key in sums:
                        sums[entry.rule.key] += entry.amount
        return sums

    # --- time

    def _tick(self) -> int:
        now = int(self._monotonic() * 1e6 + 0.5)
        if now > self._now:
            self._now = now
            return now
        return self._now

    def _wall(self) -> int:
        return self._wall_ns() // 1_000_000_000

    def _renew(self, lease: Lease, seconds: float, now: int) -> None:
        """The lease lives for `seconds` from now. Those of one length are kept in the order in which they end."""
        line = self._by_ttl.get(seconds)
        if line is None:
            line = self._by_ttl[seconds] = {}
        lease_id = lease.claim.lease_id
        line.pop(lease_id, None)
        line[lease_id] = lease
        lease.expires = now + int(seconds * 1e6)
        if lease.expires < self._next_expiry:
            self._next_expiry = lease.expires

    def _expire(self, now: int) -> None:
        for line in list(self._by_ttl.values()):
            while line:
                lease = next(iter(line.values()))
                if lease.expires > now:
                    break
                self._end(lease.claim.lease_id, {}, now)
        self._by_ttl = {seconds: line for seconds, line in self._by_ttl.items() if line}
        firsts = [next(iter(line.values())).expires for line in self._by_ttl.values()]
        self._next_expiry = min(firsts, default=NEVER)

    # --- rules and alerts

    def _cell(self, rule: Rule) -> Cell:
        cell = self._cells.get(rule.key)
        if cell is not None and cell.rule.algorithm == rule.algorithm:
            if cell.rule != rule:
                cell.adopt(rule)
            return cell
        if len(self._cells) >= self._sweep_at:
            self._sweep()
        cell = self._cells[rule.key] = CELLS[rule.algorithm](rule)
        return cell

    def _sweep(self) -> None:
        """Forget the cells that hold nothing: tenants come and go."""
        now, wall = self._tick(), self._wall()
        busy = {key for lease in self._leases.values() for key in (entry.rule.key for entry in lease.claim.entries)}
        self._cells = {key: cell for key, cell in self._cells.items() if key in busy or not cell.is_idle(now, wall)}
        self._sweep_at = max(FIRST_SWEEP, 2 * len(self._cells))

    def _raise_alert(self, cell: Cell, receipt: object, percent: int) -> int:
        count = receipt if receipt is not None else None
        assert isinstance(cell, Calendar)
        period = getattr(count, "period", cell.count.period)
        key = (cell.rule.key, period.start, percent)
        if key in self._alerts:
            return 0
        spent = getattr(count, "spent", cell.count.spent)
        alert = Alert(
            rule=cell.rule.key,
            dimension=cell.rule.dimension,
            start=period.start,
            end=period.end,
            percent=percent,
            spent=spent,
            capacity=cell.rule.capacity,
        )
        if len(self._alerts) >= KEPT_ALERTS:
            self._forget_alerts()
        self._alerts[key] = (alert, 0)
        return 1

    def _note_stop(self, key: str, wall: int) -> None:
        """The first refusal of a period by a rule that has an alert at 100 per cent raises it."""
        cell = self._cells[key]
        if 100 in cell.rule.alert_at and isinstance(cell, Calendar):
            self._raise_alert(cell, cell.at(wall), 100)

    def _forget_alerts(self) -> None:
        """Drop the older half of those that were delivered; their periods are long over."""
        done = [key for key, (_, due) in self._alerts.items() if due == NEVER]
        for key in sorted(done, key=lambda key: key[1])[: len(done) // 2]:
            del self._alerts[key]

    async def due_alerts(self, seconds: float) -> Sequence[Alert]:
        """The alerts that nobody delivered, oldest first."""
        now = self._tick()
        due = [(key, alert) for key, (alert, at) in self._alerts.items() if at <= now]
        for key, alert in due:
            self._alerts[key] = (alert, now + round(seconds * 1e6))
        return [alert for _, alert in due]

    def delivered(self, alert: Alert) -> Awaitable[int]:
        """The alert was delivered."""
        self._alerts[alert.rule, alert.start, alert.percent] = (alert, NEVER)
        return NOTHING_RAISED

    async def standings(self, scope: str | None = None) -> Sequence[Standing]:
        """Every rule that has state, sorted by key."""
        now, wall = self._tick(), self._wall()
        self._pass(now, wall)
        return [
            cell.standing(now, wall)
            for _, cell in sorted(self._cells.items())
            if scope is None or cell.rule.scope == scope
        ]

    async def aclose(self) -> None:
        """Nothing is open."""


class _Zeros(dict[str, int]):
    """Nothing was used, in whatever dimension."""

    def get(self, key: str, default: int | None = None) -> int:  # type: ignore[override]
        return 0


_NOTHING: Final = _Zeros()
