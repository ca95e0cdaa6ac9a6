"""Ledger: one row per attempt, durable before the answer is acknowledged, nothing lost and nothing counted twice.

`reserve`, `post` and `void` only put an entry in line: they do not wait, cannot be interrupted, and give back a `Ticket`.
Awaiting the ticket waits until the entry is durable, or raises `LedgerFailed` when it could not be written. Entries are
idempotent by attempt id: the same entry twice is one entry; a different settlement of a settled attempt is an error.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterator
from typing import Protocol, TypeAlias

from backstay.errors import LLMError
from backstay.ledger.row import Reservation, Row, Settlement

Ticket: TypeAlias = Awaitable[None]


class LedgerFailed(LLMError):
    """An entry could not be written (disk full, file damaged, conflicting settlement); the cause is attached."""


class Ledger(Protocol):
    """Where attempts are written down."""

    def reserve(self, entry: Reservation) -> Ticket:
        """An attempt is about to be made."""

    def post(self, entry: Settlement) -> Ticket:
        """It ended. Also settles an attempt whose end was unknown."""

    def void(self, attempt_id: str, settled_ns: int, reason: str) -> Ticket:
        """Nothing of it was sent, so nothing is owed."""

    def rows(self, *, since_ns: int | None = None, until_ns: int | None = None) -> Iterator[Row]:
        """The attempts that started in [since_ns, until_ns), oldest first, as far as they are durable."""

    async def aclose(self) -> None:
        """Write what is in line and close. Idempotent."""
