"""A ledger in memory: the same semantics without a file, for tests, simulations and `ledger.mode = "off"`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import msgspec

from backstay.ledger.base import LedgerFailed, Ticket
from backstay.ledger.row import Reservation, Row, Settlement, reserved_row, settled_row


class MemoryLedger:
    """Rows in a dict. With `max_rows` the oldest settled ones are forgotten beyond it; None keeps all."""

    def __init__(self, *, owner: str = "memory", max_rows: int | None = None) -> None:
        self._owner = owner
        self._max_rows = max_rows
        self._rows: dict[str, Row] = {}

    def reserve(self, entry: Reservation) -> Ticket:
        row = reserved_row(entry, self._owner)
        known = self._rows.setdefault(entry.attempt_id, row)
        if self._max_rows is not None and len(self._rows) > self._max_rows:
            del self._rows[next(iter(self._rows))]
        if known.call_id != row.call_id or known.number != row.number:
            return _failed(f"attempt {entry.attempt_id} is in the ledger already, for another call")
        return _done()

    def post(self, entry: Settlement) -> Ticket:
        row = self._rows.get(entry.attempt_id)
        if row is None:
            return _done() if self._max_rows is not None else _failed(f"attempt {entry.attempt_id} was never reserved")
        settled = settled_row(row, entry)
        if row.state in ("posted", "voided") and settled != row:
            return _failed(f"attempt {entry.attempt_id} is settled already, with other figures")
        self._rows[entry.attempt_id] = settled
        return _done()

    def void(self, attempt_id: str, settled_ns: int, reason: str) -> Ticket:
        row = self._rows.get(attempt_id)
        if row is None:
            return _done() if self._max_rows is not None else _failed(f"attempt {attempt_id} was never reserved")
        if row.state == "posted":
            return _failed(f"attempt {attempt_id} is settled already, with other figures")
        if row.state != "voided":
            self._rows[attempt_id] = msgspec.structs.replace(
                row,
                state="voided",
                settled_ns=settled_ns,
                outcome="failed",
                error=reason,
                cost_nano_usd=0,
                is_estimate=False,
            )
        return _done()

    def rows(self, *, since_ns: int | None = None, until_ns: int | None = None) -> Iterator[Row]:
        ordered = sorted(self._rows.values(), key=lambda row: (row.started_ns, row.attempt_id))
        for row in ordered:
            if (since_ns is None or row.started_ns >= since_ns) and (until_ns is None or row.started_ns < until_ns):
                yield row

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


def _done() -> Ticket:
    return _Ready()  # type: ignore[return-value]


def _failed(message: str) -> Ticket:
    return _Ready(LedgerFailed(message))  # type: ignore[return-value]
