"""State: all that an engine of limits holds, as data, so that a log of operations need not be kept from its beginning.

`dump` and `load` are friends of `MemoryLimits`: an engine that was loaded goes on exactly as the one that was dumped would have.
What can be computed from the rest (the line's groups and sums) is not stored.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any, Final, TypeAlias

import msgspec

from backstay.ports import Clock
from backstay.stores.limit import Alert, Claim, Rule
from backstay.stores.memory_cell import CELLS, LONG_AGO, Bucket, Calendar, Cell, Count, Logged, Strict
from backstay.stores.memory_limit import Lease, MemoryLimits
from backstay.stores.period import Period

Facts: TypeAlias = list[int]
"""start, end, spent, reserved, overdraft of a period's count; or granted at, amount, is open of a log's entry."""


class CellState(msgspec.Struct, frozen=True, array_like=True):
    """One rule's state. `facts` hold a log's entries or a calendar's counts, `more` the bucket's `tat` or the count in use."""

    rule: Rule
    reserved: int
    overdraft: int
    gate_until: int
    gate_room: int
    facts: list[Facts] = []
    more: int = 0


class LeaseState(msgspec.Struct, frozen=True, array_like=True):
    """One lease. `cells` are places in `State.cells`. `receipts` are None while it waits, else each is a place in its
    cell's facts, or the facts themselves where the cell has let go of them."""

    claim: Claim
    cells: list[int]
    expires: int
    place: tuple[int, int]
    receipts: list[int | Facts | None] | None


class State(msgspec.Struct, frozen=True, array_like=True):
    """An engine. `cells` are all that a key or a lease leads to; `keys` says which are found by key."""

    now: int
    sequence: int
    sweep_at: int
    next_expiry: int
    cells: list[CellState]
    keys: dict[str, int]
    leases: list[LeaseState]
    lines: list[tuple[float, list[str]]]
    alerts: list[tuple[Alert, int]]


_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(State).decode


def dump(engine: MemoryLimits) -> bytes:
    """The state of `engine`."""
    cells: dict[int, tuple[int, Cell]] = {}

    def number(cell: Cell) -> int:
        return cells.setdefault(id(cell), (len(cells), cell))[0]

    places = {id(entry): place for cell in _strict(engine) for place, entry in enumerate(cell.log)}

    def receipt(cell: Cell, taken: Any) -> int | Facts | None:
        return places.get(id(taken), _logged_facts(taken)) if isinstance(taken, Logged) else _counted(cell, taken)

    keys = {key: number(cell) for key, cell in engine._cells.items()}
    leases = [
        LeaseState(
            lease.claim,
            [number(cell) for cell in lease.cells],
            lease.expires,
            lease.place,
            None if lease.receipts is None else list(map(receipt, lease.cells, lease.receipts)),
        )
        for lease in engine._leases.values()
    ]
    state = State(
        engine._now,
        engine._sequence,
        engine._sweep_at,
        engine._next_expiry,
        [_cell_state(cell) for _, cell in cells.values()],
        keys,
        leases,
        [(seconds, list(line)) for seconds, line in engine._by_ttl.items()],
        list(engine._alerts.values()),
    )
    return _encode(state)


def load(data: bytes, clock: Clock, *, max_waiting: int) -> MemoryLimits:
    """An engine that goes on where the dumped one stood."""
    state = _decode(data)
    engine = MemoryLimits(clock, max_waiting=max_waiting)
    engine._now, engine._sequence, engine._sweep_at = state.now, state.sequence, state.sweep_at
    cells = [_cell(each) for each in state.cells]
    engine._cells = {key: cells[number] for key, number in state.keys.items()}
    for each in state.leases:
        lease = Lease(each.claim, [cells[number] for number in each.cells], each.expires)
        lease.place = each.place
        if each.receipts is None:
            engine._enter(lease, state.now)
        else:
            lease.receipts = list(map(_taken, lease.cells, each.receipts))
            engine._leases[each.claim.lease_id] = lease
        lease.expires = each.expires
    engine._by_ttl = {seconds: {id: engine._leases[id] for id in ids} for seconds, ids in state.lines}
    engine._next_expiry = state.next_expiry
    engine._alerts = {(alert.rule, alert.start, alert.percent): (alert, due) for alert, due in state.alerts}
    return engine


def _cell_state(cell: Cell) -> CellState:
    facts: list[Facts] = []
    more = 0
    if isinstance(cell, Strict):
        facts = list(map(_logged_facts, cell.log))
    elif isinstance(cell, Bucket):
        more = cell.tat
    elif isinstance(cell, Calendar):
        facts, more = [_count_facts(count) for count in cell.counts.values()], cell.count.period.start
    return CellState(cell.rule, cell.reserved, cell.overdraft, cell.gate_until, cell.gate_room, facts, more)


def _cell(state: CellState) -> Cell:
    cell = CELLS[state.rule.algorithm](state.rule)
    cell.reserved, cell.overdraft = state.reserved, state.overdraft
    cell.gate_until, cell.gate_room = state.gate_until, state.gate_room
    if isinstance(cell, Strict):
        cell.log.extend(map(_logged, state.facts))
        cell.total = sum(amount for _, amount, _ in state.facts)
    elif isinstance(cell, Bucket):
        cell.tat = state.more
    elif isinstance(cell, Calendar):
        cell.counts = {facts[0]: _count(facts) for facts in state.facts}
        cell.count = cell.counts.get(state.more, cell.count)
    return cell


def _strict(engine: MemoryLimits) -> Iterator[Strict]:
    """Every cell that keeps a log, once or more."""
    for cell in chain(engine._cells.values(), *(lease.cells for lease in engine._leases.values())):
        if isinstance(cell, Strict):
            yield cell


def _counted(cell: Cell, taken: Any) -> int | Facts | None:
    if not isinstance(taken, Count):
        return None
    assert isinstance(cell, Calendar)
    start = taken.period.start
    return start if cell.counts.get(start) is taken else _count_facts(taken)


def _taken(cell: Cell, receipt: int | Facts | None) -> object:
    if isinstance(cell, Strict):
        return cell.log[receipt] if isinstance(receipt, int) else _logged(receipt or [LONG_AGO, 0, 0])
    if isinstance(cell, Calendar):
        return cell.counts[receipt] if isinstance(receipt, int) else _count(receipt or [0] * 5)
    return None


def _logged_facts(entry: Logged) -> Facts:
    return [entry.at, entry.amount, int(entry.is_open)]


def _logged(facts: Facts) -> Logged:
    return Logged(facts[0], facts[1], bool(facts[2]))


def _count_facts(count: Count) -> Facts:
    return [*count.period, count.spent, count.reserved, count.overdraft]


def _count(facts: Facts) -> Count:
    count = Count(Period(facts[0], facts[1]))
    count.spent, count.reserved, count.overdraft = facts[2:]
    return count
