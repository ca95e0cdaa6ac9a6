"""A ledger in memory: the same semantics without a file, for tests, simulations and `ledger.mode = "off"`."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterator

from backstay.ledger.base import LedgerFailed, Ticket
from backstay.ledger.row import Reservation, Row, Settlement, State, reserved_row, settled_row, voided


class MemoryLedger:
    """Entries in a dict, made into rows when they are read. With `max_rows` the oldest are forgotten beyond it, settled or not;
    None keeps all."""

    def __init__(self, *, owner: str = "memory", max_rows: int | None = None) -> None:
        self._owner = owner
        self._max_rows = max_rows
        self._reserved: OrderedDict[str, Reservation] = OrderedDict()  # a dict finds its oldest slowly once many left
        self._settled: dict[str, tuple[Settlement, State]] = {}

    def reserve(self, entry: Reservation) -> Ticket:
        known = self._reserved.setdefault(entry.attempt_id, entry)
        if self._max_rows is not None and len(self._reserved) > self._max_rows:
            oldest, _ = self._reserved.popitem(last=False)
            self._settled.pop(oldest, None)
        if known.call_id != entry.call_id or known.number != entry.number:
            return _failed(f"attempt {entry.attempt_id} is in the ledger already, for another call")
        return _DONE

    def post(self, entry: Settlement) -> Ticket:
        return self._settle(entry, "posted")

    def void(self, attempt_id: str, settled_ns: int, reason: str) -> Ticket:
        return self._settle(voided(attempt_id, settled_ns, reason), "voided")

    def _settle(self, entry: Settlement, state: State) -> Ticket:
        id = entry.attempt_id
        if id not in self._reserved:
            is_forgotten = self._max_rows is not None
            return _DONE if is_forgotten else _failed(f"attempt {id} was never reserved")
        stands, stood = self._settled.setdefault(id, (entry, state))
        if stood != state or (stands != entry and state != "voided"):
            return _failed(f"attempt {id} is settled already, with other figures")
        return _DONE

    def rows(self, *, since_ns: int | None = None, until_ns: int | None = None) -> Iterator[Row]:
        for entry in sorted(self._reserved.values(), key=lambda entry: (entry.started_ns, entry.attempt_id)):
            if (since_ns is None or entry.started_ns >= since_ns) and (until_ns is None or entry.started_ns < until_ns):
                row = reserved_row(entry, self._owner)
                settled = self._settled.get(entry.attempt_id)
                yield row if settled is None else settled_row(row, *settled)

    async def aclose(self) -> None:
        """Nothing to close."""


class _Ready:
    """A ticket that was good, or bad, from the start."""

    __slots__ = ("_error",)

    def __init__(self, error: LedgerFailed | None = None) -> None:
        self._error = error

    def __await__(self) -> Iterator[asyncio.Future[None]]:
        if self._error is not None:
            raise self._error
        return iter(())

    def __repr__(self) -> str:
        return f"Ticket({self._error or 'durable'})"


_DONE: Ticket = _Ready()  # type: ignore[assignment]


def _failed(message: str) -> Ticket:
    return _Ready(LedgerFailed(message))  # type: ignore[return-value]
