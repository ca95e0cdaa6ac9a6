"""Statements: a batch of entries as few SQL statements, and what is said of an entry that changed nothing.

A statement for many rows is one step of SQLite, outside of Python's lock; a row at a time would take the lock for each. There are
statements for 1, 2, 4 ... 64 rows, so that each is compiled once and seven of them serve any batch.

An entry changes its row once. When it changes nothing, the row is compared: the same facts are the same entry again, other facts
are an error of that entry, and of no other in its batch.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from itertools import chain
from typing import Any, Final

from backstay.errors import LLMError
from backstay.ledger.base import LedgerFailed
from backstay.ledger.row import Reservation, Settlement
from backstay.ledger.writer import Pending

SIZES: Final = (64, 32, 16, 8, 4, 2, 1)
RESERVED: Final = (*Reservation.__struct_fields__, "owner")
SETTLED: Final = (*Settlement.__struct_fields__, "state")
"""The columns of an entry's facts, in their order; the attempt's id comes first in both."""

BAD_VALUE: Final = (
    sqlite3.DataError,
    sqlite3.IntegrityError,
    sqlite3.InterfaceError,
    sqlite3.ProgrammingError,
    OverflowError,
    ValueError,
)
"""What a value that SQLite cannot hold raises: an integer of more than 64 bits, text with a lone surrogate."""


def _values(columns: Sequence[str], size: int, more: str = "") -> str:
    return ", ".join([f"({', '.join('?' * len(columns))}{more})"] * size)


def _reserve(size: int) -> str:
    values = _values(RESERVED, size, more=", 'reserved'")
    return f"INSERT INTO attempt ({', '.join(RESERVED)}, state) VALUES {values} ON CONFLICT (attempt_id) DO NOTHING"


def _settle(size: int) -> str:
    changes = ", ".join(f"{name} = entry.column{place}" for place, name in enumerate(SETTLED[1:], 2))
    return (
        f"UPDATE attempt SET {changes} FROM (VALUES {_values(SETTLED, size)}) AS entry "
        "WHERE attempt.attempt_id = entry.column1 AND attempt.state IN ('reserved', 'unknown')"
    )


RESERVE: Final = tuple((size, _reserve(size)) for size in SIZES)
SETTLE: Final = tuple((size, _settle(size)) for size in SIZES)


def write(connection: sqlite3.Connection, batch: Sequence[Pending]) -> Sequence[LLMError | None] | None:
    """Write `batch` in one transaction: the result of each entry, or None where all are good.

    Raises sqlite3.Error where the file takes nothing; then nothing of the batch is written.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        results = _together(connection, batch)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return results


def _together(connection: sqlite3.Connection, batch: Sequence[Pending]) -> Sequence[LLMError | None] | None:
    """All reservations, then all settlements; one by one where that order would matter, or a value is bad."""
    reserved: list[tuple[Any, ...]] = []
    settled: dict[str, tuple[Any, ...]] = {}
    for entry in batch:
        id = entry.facts[0]
        if id in settled:
            return [_alone(connection, entry) for entry in batch]
        if entry.is_settlement:
            settled[id] = entry.facts
        else:
            reserved.append(entry.facts)
    try:
        changed = _run(connection, RESERVE, reserved) + _run(connection, SETTLE, list(settled.values()))
    except BAD_VALUE:
        return [_alone(connection, entry) for entry in batch]
    return None if changed == len(batch) else [_compared(connection, entry) for entry in batch]


def _run(connection: sqlite3.Connection, statements: Sequence[tuple[int, str]], rows: Sequence[tuple[Any, ...]]) -> int:
    """Run the statements that `rows` need; how many rows they changed."""
    changed = start = 0
    for size, statement in statements:
        while len(rows) - start >= size:
            facts = rows[start] if size == 1 else list(chain.from_iterable(rows[start : start + size]))
            changed += connection.execute(statement, facts).rowcount
            start += size
    return changed


def _alone(connection: sqlite3.Connection, entry: Pending) -> LLMError | None:
    """One entry of a transaction. A statement that fails takes only itself back."""
    try:
        changed = _run(connection, SETTLE if entry.is_settlement else RESERVE, [entry.facts])
    except BAD_VALUE as error:
        failed = LedgerFailed(f"attempt {entry.facts[0]!r} has a value that the ledger cannot hold: {error}")
        failed.__cause__ = error
        return failed
    return None if changed else _compared(connection, entry)


def _compared(connection: sqlite3.Connection, entry: Pending) -> LLMError | None:
    columns = SETTLED if entry.is_settlement else RESERVED
    select = f"SELECT {', '.join(columns)} FROM attempt WHERE attempt_id = ?"
    return compared(entry, connection.execute(select, entry.facts[:1]).fetchone())


def compared(entry: Pending, found: Sequence[Any] | None) -> LLMError | None:
    """Whether the row `found`, in the columns of an entry of its kind, says what `entry` says: None, or the error that it is."""
    columns = SETTLED if entry.is_settlement else RESERVED
    id, *_ = entry.facts
    if found is None:
        return LedgerFailed(f"attempt {id} was never reserved")
    stands, wanted = (dict(zip(columns, facts, strict=True)) for facts in (found, entry.facts))
    if not entry.is_settlement:
        names: Sequence[str] = ("call_id", "number")
        is_same = all(stands[name] == wanted[name] for name in names)
        return None if is_same else LedgerFailed(f"attempt {id} is in the ledger already, for another call")
    names = ("state",) if wanted["state"] == "voided" else SETTLED
    is_same = all(stands[name] == wanted[name] for name in names)
    return None if is_same else LedgerFailed(f"attempt {id} is settled already, with other figures")
