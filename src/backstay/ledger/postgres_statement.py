"""PostgreSQL's statements: a batch of entries as two of them, and what is said of an entry that changed nothing.

A batch travels as one JSON array a statement and is unfolded by the server (`json_populate_recordset`), whatever its size. The
rules are those of `statement.py`: an entry changes its row once, and one that changes nothing is compared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec

from backstay.errors import LLMError
from backstay.ledger.base import LedgerFailed
from backstay.ledger.row import Row
from backstay.ledger.statement import RESERVED, SETTLED, compared
from backstay.ledger.writer import Pending

if TYPE_CHECKING:
    import asyncpg

LOCK: Final = 0x6F776E72
"""The first half of the advisory lock of an owner: the bytes "ownr". The second is the hash of its name."""

RESERVE: Final = (
    f"INSERT INTO attempt ({', '.join(RESERVED)}, state) SELECT {', '.join(RESERVED)}, 'reserved' "
    "FROM json_populate_recordset(NULL::attempt, $1::text::json) ON CONFLICT (attempt_id) DO NOTHING"
)
SETTLE: Final = (
    f"UPDATE attempt SET {', '.join(f'{name} = entry.{name}' for name in SETTLED[1:])} "
    "FROM json_populate_recordset(NULL::attempt, $1::text::json) AS entry "
    "WHERE attempt.attempt_id = entry.attempt_id AND attempt.state IN ('reserved', 'unknown')"
)
COLUMNS: Final = Row.__struct_fields__
IS_HELD: Final = (
    "EXISTS (SELECT FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database WHERE locktype = 'advisory' "
    f"AND datname = current_database() AND classid = {LOCK} AND objid::bigint = (hashtext(%s)::bigint & 4294967295) "
    "AND objsubid = 2 AND granted)"
)
PAGE: Final = (
    f"SELECT {', '.join(f'attempt.{name}' for name in COLUMNS)}, {IS_HELD % 'attempt.owner'} AS is_alive FROM attempt "
    "WHERE started_ns >= $1 AND started_ns < $2 AND (started_ns, attempt_id) > ($3, $4) "
    "ORDER BY started_ns, attempt_id LIMIT $5"
)


async def take_over(connection: asyncpg.Connection[Any], owner: str) -> None:
    """Lock `owner` for this session, and mark the reservations of owners that hold no lock as `unknown`."""
    await connection.execute("SELECT pg_advisory_lock($1::int, hashtext($2))", LOCK, owner)
    for (other,) in await connection.fetch("SELECT DISTINCT owner FROM attempt WHERE state = 'reserved'"):
        if other != owner and not await connection.fetchval(f"SELECT {IS_HELD % '$1::text'}", other):
            await connection.execute(
                "UPDATE attempt SET state = 'unknown', outcome = 'unknown' WHERE owner = $1 AND state = 'reserved'",
                other,
            )


async def write(connection: asyncpg.Connection[Any], batch: Sequence[Pending]) -> Sequence[LLMError | None] | None:
    """Write `batch` in one transaction: the result of each entry, or None where all are good."""
    reserved: list[Pending] = []
    settled: dict[str, Pending] = {}
    is_in_order = True
    for entry in batch:
        is_in_order = is_in_order and entry.facts[0] not in settled
        if entry.is_settlement:
            settled[entry.facts[0]] = entry
        else:
            reserved.append(entry)
    if is_in_order:
        try:
            async with connection.transaction():
                changed = await _run(connection, RESERVE, RESERVED, reserved)
                changed += await _run(connection, SETTLE, SETTLED, list(settled.values()))
                return None if changed == len(batch) else [await _compared(connection, entry) for entry in batch]
        except _bad_value():
            pass  # one of them; which one is found when each is written alone
    async with connection.transaction():
        return [await _alone(connection, entry) for entry in batch]


async def _run(
    connection: asyncpg.Connection[Any], statement: str, columns: Sequence[str], entries: Sequence[Pending]
) -> int:
    """Run `statement` on the facts of `entries`; how many rows it changed."""
    if not entries:
        return 0
    facts = msgspec.json.encode([dict(zip(columns, entry.facts, strict=True)) for entry in entries])
    return int((await connection.execute(statement, facts.decode())).rpartition(" ")[2])


async def _alone(connection: asyncpg.Connection[Any], entry: Pending) -> LLMError | None:
    """One entry of a transaction; what fails takes only itself back."""
    statement, columns = (SETTLE, SETTLED) if entry.is_settlement else (RESERVE, RESERVED)
    try:
        async with connection.transaction():
            changed = await _run(connection, statement, columns, [entry])
    except _bad_value() as error:
        failed = LedgerFailed(f"attempt {entry.facts[0]!r} has a value that the ledger cannot hold: {error}")
        failed.__cause__ = error
        return failed
    return None if changed else await _compared(connection, entry)


async def _compared(connection: asyncpg.Connection[Any], entry: Pending) -> LLMError | None:
    columns = SETTLED if entry.is_settlement else RESERVED
    select = f"SELECT {', '.join(columns)} FROM attempt WHERE attempt_id = $1"
    return compared(entry, await connection.fetchrow(select, entry.facts[0]))


async def read_page(
    connection: asyncpg.Connection[Any],
    since_ns: int | None,
    until_ns: int | None,
    after: tuple[int, str] | None,
    limit: int,
) -> list[Row]:
    """At most `limit` rows that started in [since_ns, until_ns) and come after `after`; open ones of dead owners as `unknown`."""
    since = since_ns if since_ns is not None else -(2**63)
    until = until_ns if until_ns is not None else 2**63 - 1
    found = await connection.fetch(PAGE, since, until, *(after or (-(2**63), "")), limit)
    return [_row(values) for values in found]


def _row(values: Mapping[str, Any]) -> Row:
    facts = {name: values[name] for name in COLUMNS}
    if facts["state"] == "reserved" and not values["is_alive"]:
        facts["state"] = facts["outcome"] = "unknown"
    return Row(**facts)


def _bad_value() -> tuple[type[Exception], ...]:
    """What a value that PostgreSQL cannot hold raises: an integer of more than 64 bits, text with NUL or a lone surrogate."""
    import asyncpg

    return (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError, ValueError, OverflowError)
