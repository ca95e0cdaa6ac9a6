"""The log of limits in PostgreSQL: one function call an append, one round trip, exact between machines.

The function takes the lock of one row, and so gives the order; the server's clock gives the instants. A commit waits for the
server's disk, and what is asked meanwhile goes with the next one.
"""

from __future__ import annotations

from typing import Final

from backstay.secret import Secret
from backstay.stores.limit import MAX_WAITING
from backstay.stores.postgres import Database
from backstay.stores.sequence import KEEP_EVERY, VERSION, Instants, Stamped, Stretch
from backstay.stores.shared_limit import SharedLimits

APPEND: Final = f"SELECT * FROM limit_append_{VERSION}($1, $2, $3, $4, $5)"
KEEP: Final = (
    "UPDATE limit_head SET kept = $2, snapshot = $3, base = greatest(base, $2 - $4) WHERE generation = $1 AND kept < $2"
)


def postgres_limits(
    url: str | Secret,
    *,
    schema: str = "backstay",
    timeout: float = 5.0,
    instants: Instants | None = None,
    max_waiting: int = MAX_WAITING,
) -> SharedLimits:
    """Limits in `schema` of the database at `url`; it is asked for the first time when something is reserved."""
    database = Database(url, schema=schema, max_connections=1, timeout=timeout)
    return SharedLimits(PostgresLog(database, instants=instants), max_waiting=max_waiting)


class PostgresLog:
    """A Sequencer in `database`, which it closes. `instants` take the place of the server's clock."""

    def __init__(self, database: Database, *, instants: Instants | None = None) -> None:
        self._database = database
        self._instants = instants

    async def append(self, generation: str, since: int, body: bytes) -> Stretch:
        now_us, wall_us = (None, None) if self._instants is None else self._instants()
        async with self._database.connection() as connection:
            head, *rows = await connection.fetch(APPEND, generation, since, body, now_us, wall_us)
        stands, after, _, _, snapshot = head
        return Stretch(stands, after, [Stamped(row[2], row[3], row[4]) for row in rows], snapshot)

    async def keep(self, generation: str, number: int, snapshot: bytes) -> None:
        async with self._database.connection() as connection, connection.transaction():
            if await connection.execute(KEEP, generation, number, snapshot, KEEP_EVERY) == "UPDATE 1":
                await connection.execute("DELETE FROM limit_entry WHERE number <= $1", number - KEEP_EVERY)

    async def restore(self, generation: str, number: int, snapshot: bytes, now_us: int) -> None:
        """A database does not forget: one that was brought back from a backup is followed as it is."""

    async def aclose(self) -> None:
        await self._database.aclose()
