"""The log of limits in SQLite: one file, exact between the processes of one machine, no server.

Each append is one BEGIN IMMEDIATE transaction on a thread of its own, so a busy file never holds up the loop. The file is flushed
at checkpoints only (`synchronous = NORMAL`): a kill of any process loses nothing, and after a power cut, which may lose the
last entries, no call that they stood for is still running. What was spent is in the ledger, which is flushed.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar

from backstay.ports import Clock, SystemClock, TimeOrderedIds
from backstay.stores.failure import StoreFailed
from backstay.stores.limit import MAX_WAITING
from backstay.stores.sequence import KEEP_EVERY, VERSION, Instants, Stamped, Stretch
from backstay.stores.shared_limit import SharedLimits
from backstay.stores.sqlite_file import prepare

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows
    fcntl = None  # type: ignore[assignment]

APPLICATION_ID: Final = 0x6261636C
"""The bytes "bacl"."""

TABLES: Final = (
    """CREATE TABLE head (
        generation TEXT NOT NULL, last INTEGER NOT NULL, base INTEGER NOT NULL,
        now_us INTEGER NOT NULL, kept INTEGER NOT NULL, snapshot BLOB
    ) STRICT""",
    """CREATE TABLE entry (
        number INTEGER PRIMARY KEY, now_us INTEGER NOT NULL, wall_us INTEGER NOT NULL, body BLOB NOT NULL
    ) STRICT""",
)
HEAD: Final = """
    SELECT generation, last, base, now_us, kept, CASE WHEN generation = ? AND base <= ? THEN NULL ELSE snapshot END FROM head
"""
"""The snapshot is read only where it is needed."""

T = TypeVar("T")


def sqlite_limits(
    path: str | os.PathLike[str],
    *,
    clock: Clock | None = None,
    instants: Instants | None = None,
    timeout: float = 10.0,
    max_waiting: int = MAX_WAITING,
) -> SharedLimits:
    """Limits in the file at `path`, which is made with mode 0600. Time is the wall clock's, raised to the latest instant seen."""
    wall = clock or SystemClock()

    def wall_instants() -> tuple[int, int]:
        now = wall.wall_ns() // 1000
        return now, now

    log = SQLiteLog(path, instants=instants or wall_instants, timeout=timeout)
    return SharedLimits(log, max_waiting=max_waiting)


class SQLiteLog:
    """A Sequencer in a file. Its first use raises ConfigurationError where the file is another program's or version's."""

    def __init__(self, path: str | os.PathLike[str], *, instants: Instants, timeout: float = 10.0) -> None:
        self._path = Path(path)
        self._instants = instants
        self._timeout = timeout
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="backstay-limits")
        self._connection: sqlite3.Connection | None = None
        self._turns = -1

    async def append(self, generation: str, since: int, body: bytes) -> Stretch:
        return await self._within(lambda connection: self._append(connection, generation, since, body))

    async def keep(self, generation: str, number: int, snapshot: bytes) -> None:
        await self._within(lambda connection: _keep(connection, generation, number, snapshot))

    async def restore(self, generation: str, number: int, snapshot: bytes, now_us: int) -> None:
        """A file does not forget: one that was removed is a new one, on purpose."""

    async def aclose(self) -> None:
        """Close the file. Idempotent. The short wait for the disk is taken on the loop."""
        self._thread.shutdown()
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._turns >= 0:
            os.close(self._turns)
            self._turns = -1

    async def _within(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """What `work` gives in one transaction, which ends on its thread even if the caller stops waiting."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._transaction, work)
        except (sqlite3.Error, OSError) as error:
            raise StoreFailed(f"limits {self._path}: {error}") from error

    def _transaction(self, work: Callable[[sqlite3.Connection], T]) -> T:
        connection = self._connection
        if connection is None:
            connection = self._connection = self._opened()
        with self._turn():
            connection.execute("BEGIN IMMEDIATE")
            try:
                result = work(connection)
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
        return result

    @contextlib.contextmanager
    def _turn(self) -> Iterator[None]:
        """Wait for the other processes' turns: the kernel wakes the next at once, SQLite would sleep and look again."""
        if fcntl is None:  # pragma: no cover - Windows
            yield
            return
        fcntl.flock(self._turns, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._turns, fcntl.LOCK_UN)

    def _opened(self) -> sqlite3.Connection:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600))
        if self._turns < 0:
            self._turns = os.open(self._path.with_name(f"{self._path.name}.turns"), os.O_CREAT | os.O_RDWR, 0o600)
        connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False, timeout=self._timeout)
        try:
            _prepare(connection, self._path)
        except BaseException:
            connection.close()
            raise
        return connection

    def _append(self, connection: sqlite3.Connection, generation: str, since: int, body: bytes) -> Stretch:
        stands, last, base, latest, kept, snapshot = connection.execute(HEAD, (generation, since)).fetchone()
        now_us, wall_us = self._instants()
        now_us = max(now_us, latest)
        connection.execute("UPDATE head SET last = ?, now_us = ?", (last + 1, now_us))
        connection.execute("INSERT INTO entry VALUES (?, ?, ?, ?)", (last + 1, now_us, wall_us, body))
        after = since if stands == generation and base <= since <= last else kept
        rows = connection.execute(
            "SELECT now_us, wall_us, body FROM entry WHERE number > ? ORDER BY number", (after,)
        ).fetchall()
        return Stretch(stands, after, [Stamped(*row) for row in rows], snapshot)


def _keep(connection: sqlite3.Connection, generation: str, number: int, snapshot: bytes) -> None:
    changed = connection.execute(
        "UPDATE head SET kept = ?, snapshot = ?, base = max(base, ?) WHERE generation = ? AND kept < ?",
        (number, snapshot, number - KEEP_EVERY, generation, number),
    ).rowcount
    if changed:
        connection.execute("DELETE FROM entry WHERE number <= ?", (number - KEEP_EVERY,))


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    prepare(
        connection,
        path,
        TABLES,
        kind="limits",
        application_id=APPLICATION_ID,
        version=VERSION,
        synchronous="NORMAL",
        begin=lambda one: one.execute("INSERT INTO head VALUES (?, 0, 0, 0, 0, NULL)", (TimeOrderedIds().new(),)),
    )
