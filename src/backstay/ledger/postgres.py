"""The ledger in PostgreSQL: one table for all processes and machines, the same writer thread, group commit.

Entries wait in line for the thread that SQLite's ledger uses too; here it drives the connection on a loop of its own, so a ticket
does not depend on the caller's loop, and closing writes the line. A connection that breaks is opened anew and the batch
written once more: entries are idempotent. Then the batch fails, and everybody who waits is told.

Each open ledger holds an advisory lock of its session under its owner's name. The server lets go of it when the process, or its
machine, is gone; so a reservation whose owner holds no lock is `unknown`. Modes as with SQLite: "full" waits for the server's
disk, "normal" does not (`synchronous_commit`).
"""

from __future__ import annotations

import asyncio
import atexit
import os
from collections.abc import Coroutine, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

import msgspec

from backstay.errors import LLMError
from backstay.ledger.base import LedgerFailed, Ticket
from backstay.ledger.postgres_statement import read_page, take_over, write
from backstay.ledger.row import Reservation, Row, Settlement, voided
from backstay.ledger.writer import Pending, Writer
from backstay.secret import Secret
from backstay.stores.failure import StoreFailed
from backstay.stores.postgres import Database, failed, migrate

if TYPE_CHECKING:
    import asyncpg

PAGE: Final = 1000
"""Rows that a report holds at a time."""

T = TypeVar("T")


class PostgresLedger:
    """A Ledger in the table `attempt` of `schema`. `owner` is an id of this opening, never used before.

    Opening connects and migrates, so it takes the time of a few round trips. Raises StoreFailed where the server cannot be
    reached, ConfigurationError where the address is none or the tables are of a later version.
    """

    def __init__(
        self,
        url: str | Secret,
        *,
        owner: str,
        mode: Literal["full", "normal"] = "full",
        schema: str = "backstay",
        timeout: float = 10.0,
    ) -> None:
        self._session = _Session(Database(url, schema=schema, timeout=timeout), owner=owner, mode=mode, timeout=timeout)
        self._owner = owner
        self._pid = os.getpid()
        self._writer = Writer(self._session.opened, _Session.write)
        atexit.register(self.close)  # a program that ends without closing still writes what is in line

    def _submit(self, entry: Reservation | Settlement, more: str, *, is_settlement: bool) -> Pending:
        if os.getpid() != self._pid:
            raise LedgerFailed("this ledger was opened before a fork: open one of its own in the child")
        return self._writer.submit(Pending((*msgspec.structs.astuple(entry), more), is_settlement))

    def reserve(self, entry: Reservation) -> Ticket:
        return self._submit(entry, self._owner, is_settlement=False)

    def post(self, entry: Settlement) -> Ticket:
        return self._submit(entry, "posted", is_settlement=True)

    def void(self, attempt_id: str, settled_ns: int, reason: str) -> Ticket:
        return self._submit(voided(attempt_id, settled_ns, reason), "voided", is_settlement=True)

    def rows(self, *, since_ns: int | None = None, until_ns: int | None = None) -> Iterator[Row]:
        """Read page by page over a connection of its own. Each page blocks the caller for a round trip, as a file's would."""
        return self._session.rows(since_ns, until_ns)

    @property
    def failure(self) -> Exception | None:
        """Why the last write failed; None while the ledger is healthy."""
        return self._writer.failure

    async def aclose(self) -> None:
        """Write what is in line, then close. Idempotent. The wait for the server is taken on another thread."""
        await asyncio.to_thread(self.close)

    def close(self) -> None:
        """Write what is in line, then close. Idempotent."""
        if os.getpid() == self._pid:
            self._writer.close()
        atexit.unregister(self.close)


class _Session:
    """The connection of the writer's thread, driven by a loop that runs while a batch is written."""

    def __init__(self, database: Database, *, owner: str, mode: str, timeout: float) -> None:
        self._database = database
        self._owner = owner
        self._mode = mode
        self._timeout = timeout
        self._connection: asyncpg.Connection[Any] | None = None
        self._runner = asyncio.Runner()

    def opened(self) -> _Session:
        """Connect, make the tables, take over what dead owners left. Runs on the writer's thread."""
        try:
            self._within(self._connected())
        except BaseException:
            self._runner.close()
            raise
        return self

    def _within(self, work: Coroutine[Any, Any, T]) -> T:
        """What `work` gives, in time. A failure closes the connection: nobody knows what is still on its way over it."""

        async def bounded() -> T:
            async with asyncio.timeout(self._timeout):
                return await work

        try:
            return self._runner.run(bounded())
        except BaseException as error:
            if self._connection is not None:
                self._connection.terminate()
                self._connection = None
            if isinstance(error, LLMError) or not isinstance(error, Exception):
                raise
            raise failed(error) from error

    async def _connected(self) -> asyncpg.Connection[Any]:
        if self._connection is None or self._connection.is_closed():
            self._connection = connection = await self._database.connect()
            await migrate(connection, self._database.schema)
            await connection.execute(f"SET synchronous_commit = {'on' if self._mode == 'full' else 'off'}")
            await take_over(connection, self._owner)
        return self._connection

    def write(self, batch: Sequence[Pending]) -> Sequence[LLMError | None] | None:
        """Write `batch` in one transaction, once more on a new connection where the old one broke."""
        try:
            return self._within(self._written(batch))
        except StoreFailed as error:
            if not error.is_uncertain:
                raise
        return self._within(self._written(batch))

    async def _written(self, batch: Sequence[Pending]) -> Sequence[LLMError | None] | None:
        return await write(await self._connected(), batch)

    def close(self) -> None:
        """Close the connection, and with it the owner's lock. Runs on the writer's thread."""
        if self._connection is not None:
            self._connection.terminate()
        self._runner.close()

    def rows(self, since_ns: int | None, until_ns: int | None) -> Iterator[Row]:
        """A page at a time, each read by a loop on a thread of its own: the caller's may be running."""
        after: tuple[int, str] | None = None
        while True:
            page = _on_a_thread(self._page(since_ns, until_ns, after))
            yield from page
            if len(page) < PAGE:
                return
            after = page[-1].started_ns, page[-1].attempt_id

    async def _page(self, since_ns: int | None, until_ns: int | None, after: tuple[int, str] | None) -> list[Row]:
        try:
            async with asyncio.timeout(self._timeout):
                connection = await self._database.connect()
                try:
                    return await read_page(connection, since_ns, until_ns, after, PAGE)
                finally:
                    connection.terminate()
        except Exception as error:
            raise error if isinstance(error, LLMError) else failed(error) from error


def _on_a_thread(work: Coroutine[Any, Any, T]) -> T:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1, thread_name_prefix="backstay-report") as pool:
        return pool.submit(asyncio.run, work).result()
