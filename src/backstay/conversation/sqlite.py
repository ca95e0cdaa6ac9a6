"""Conversations in SQLite: one file, safe between the processes of one machine.

Each save is one transaction, flushed to the disk before it is acknowledged (`synchronous = FULL`): the mark that a side effect is
about to begin must not be younger than the side effect. One thread owns the connection, so the disk never holds up the loop.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from backstay.conversation.conversation import Conversation, read_conversation
from backstay.conversation.store import conflict
from backstay.stores.failure import StoreFailed
from backstay.stores.sqlite_file import prepare

APPLICATION_ID: Final = 0x62616363
"""The bytes "bacc"."""

VERSION: Final = 1

TABLES: Final = (
    """CREATE TABLE conversation (
        id TEXT PRIMARY KEY, tenant TEXT, version INTEGER NOT NULL, updated_ns INTEGER NOT NULL, expires_ns INTEGER,
        body BLOB NOT NULL
    ) STRICT, WITHOUT ROWID""",
    "CREATE INDEX conversation_by_change ON conversation (tenant, updated_ns DESC)",
    "CREATE INDEX conversation_by_end ON conversation (expires_ns) WHERE expires_ns IS NOT NULL",
)
INSERT: Final = "INSERT INTO conversation VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
UPDATE: Final = """
    UPDATE conversation SET version = ?, updated_ns = ?, expires_ns = ?, body = ?
    WHERE id = ? AND tenant IS ? AND version = ?
"""
LOAD: Final = """
    SELECT body FROM conversation WHERE id = ? AND tenant IS ? AND (expires_ns IS NULL OR expires_ns > ?)
"""
IDS: Final = """
    SELECT id FROM conversation WHERE tenant IS ? AND (expires_ns IS NULL OR expires_ns > ?)
    ORDER BY updated_ns DESC, id LIMIT ?
"""

T = TypeVar("T")


class SQLiteConversations:
    """A ConversationStore in the file at `path`, which is made with mode 0600.

    Its first use raises ConfigurationError where the file is another program's or of a later version.
    """

    def __init__(self, path: str | os.PathLike[str], *, timeout: float = 10.0) -> None:
        self._path = Path(path)
        self._timeout = timeout
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="backstay-conversations")
        self._connection: sqlite3.Connection | None = None

    async def save(self, conversation: Conversation) -> Conversation:
        newer = msgspec.structs.replace(conversation, version=conversation.version + 1)
        facts = (newer.version, newer.updated_ns, newer.expires_ns, newer.export())

        def write(connection: sqlite3.Connection) -> int:
            if conversation.version == 0:
                return connection.execute(INSERT, (newer.id, newer.tenant, *facts)).rowcount
            return connection.execute(UPDATE, (*facts, newer.id, newer.tenant, conversation.version)).rowcount

        if await self._within(write) != 1:
            raise conflict(conversation.id, conversation.version)
        return newer

    async def load(self, id: str, *, tenant: str | None = None, now_ns: int) -> Conversation | None:
        rows = await self._rows(LOAD, id, tenant, now_ns)
        return read_conversation(rows[0][0]) if rows else None

    async def delete(self, id: str, *, tenant: str | None = None) -> bool:
        return await self._changed("DELETE FROM conversation WHERE id = ? AND tenant IS ?", id, tenant) == 1

    async def ids(self, *, tenant: str | None = None, now_ns: int, limit: int = 100) -> list[str]:
        return [row[0] for row in await self._rows(IDS, tenant, now_ns, limit)]

    async def sweep(self, *, now_ns: int) -> int:
        return await self._changed("DELETE FROM conversation WHERE expires_ns <= ?", now_ns)

    async def aclose(self) -> None:
        """Close the file. Idempotent."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await asyncio.get_running_loop().run_in_executor(self._thread, connection.close)
        self._thread.shutdown()

    async def _rows(self, statement: str, *values: Any) -> list[Any]:
        return await self._within(lambda connection: connection.execute(statement, values).fetchall())

    async def _changed(self, statement: str, *values: Any) -> int:
        return await self._within(lambda connection: connection.execute(statement, values).rowcount)

    async def _within(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """What `work` gives, in one transaction that ends on its thread even if the caller stops waiting."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._transaction, work)
        except (sqlite3.Error, OSError) as error:
            raise StoreFailed(f"conversations {self._path}: {error}") from error

    def _transaction(self, work: Callable[[sqlite3.Connection], T]) -> T:
        if self._connection is None:
            self._connection = self._opened()
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            result = work(connection)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        return result

    def _opened(self) -> sqlite3.Connection:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600))
        connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False, timeout=self._timeout)
        try:
            _prepare(connection, self._path)
        except BaseException:
            connection.close()
            raise
        return connection


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    prepare(
        connection,
        path,
        TABLES,
        kind="conversations",
        application_id=APPLICATION_ID,
        version=VERSION,
        synchronous="FULL",
    )
