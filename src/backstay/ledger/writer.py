"""The writer: one thread, one connection, many entries a transaction.

A commit that reaches the disk costs about a millisecond whatever it holds, so entries that wait together are committed together
(group commit). Each entry's ticket is resolved after the commit that holds it, on the loops that are waiting. A batch that one
entry spoils is written entry by entry, so that it does not take its neighbours with it; what the disk refuses (full, broken,
locked) is told to every waiter of the batch at once, and the next entry is tried anew. When too many entries wait, new
reservations are refused, so a stalled disk stops calls and not memory; settlements are always taken.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable, Generator, Iterable, Sequence
from typing import Any, TypeAlias

from backstay.ledger.base import LedgerFailed

Work: TypeAlias = Callable[[sqlite3.Connection], None]
MAX_BATCH = 512
MAX_WAITING = 50_000


class Pending:
    """A ticket: awaited on any loop, by any number of waiters. Resolved once, by the writer."""

    __slots__ = ("_error", "_is_done", "_lock", "_waiters", "work")

    def __init__(self, work: Work) -> None:
        self.work = work
        self._lock = threading.Lock()
        self._is_done = False
        self._error: LedgerFailed | None = None
        self._waiters: list[asyncio.Future[None]] = []

    def __await__(self) -> Generator[Any, None, None]:
        waiter = None
        with self._lock:
            if not self._is_done:
                waiter = asyncio.get_running_loop().create_future()
                self._waiters.append(waiter)
        if waiter is not None:
            yield from waiter.__await__()
        if self._error is not None:
            raise self._error

    def resolve(self, error: LedgerFailed | None) -> Sequence[asyncio.Future[None]]:
        """Note the result; the futures that must be told."""
        with self._lock:
            self._is_done, self._error = True, error
            return self._waiters


class Writer:
    """Runs `Work` in order, in grouped transactions, on a thread that it starts and owns.

    Raises what `connect` raised. `failure` is why the disk refused the last batch, None while it takes them.
    """

    def __init__(self, connect: Callable[[], sqlite3.Connection], *, max_waiting: int = MAX_WAITING) -> None:
        self._queue: queue.SimpleQueue[Pending | None] = queue.SimpleQueue()
        self._max_waiting = max_waiting
        self._lock = threading.Lock()
        self._is_closed = False
        self.failure: LedgerFailed | None = None
        started: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, args=(connect, started), name="backstay-ledger", daemon=True)
        self._thread.start()
        error = started.get()
        if error is not None:
            raise error

    def submit(self, work: Work, *, is_refusable: bool = False) -> Pending:
        """Put `work` in line. Never waits. With `is_refusable`, a line that is too long refuses it."""
        pending = Pending(work)
        with self._lock:  # nothing may get in line behind the end
            if self._is_closed:
                pending.resolve(LedgerFailed("the ledger is closed"))
            elif is_refusable and self._queue.qsize() >= self._max_waiting:
                pending.resolve(LedgerFailed(f"{self._max_waiting:,} entries wait for the ledger's disk; try again later"))
            else:
                self._queue.put(pending)
        return pending

    def close(self) -> None:
        """Write what is in line, then end the thread. Idempotent."""
        with self._lock:
            if not self._is_closed:
                self._is_closed = True
                self._queue.put(None)
        self._thread.join()

    def _run(self, connect: Callable[[], sqlite3.Connection], started: queue.SimpleQueue[BaseException | None]) -> None:
        try:
            connection = connect()
        except BaseException as error:  # noqa: BLE001 - handed to the thread that opened the ledger
            started.put(error)
            return
        started.put(None)
        del connect, started
        is_open = True
        while is_open:
            batch, is_open = self._take()
            if batch:
                self._commit(connection, batch)
        connection.close()

    def _take(self) -> tuple[list[Pending], bool]:
        """Everything that is in line, up to a batch; False when the end was in it."""
        batch: list[Pending] = []
        item = self._queue.get()
        while item is not None:
            batch.append(item)
            if len(batch) >= MAX_BATCH or self._queue.empty():
                return batch, True
            item = self._queue.get()
        return batch, False

    def _commit(self, connection: sqlite3.Connection, batch: list[Pending]) -> None:
        error = write(connection, batch)
        if error is None:
            self.failure = None
            tell([(pending, None) for pending in batch])
        elif is_of_the_disk(error) or len(batch) == 1:
            failed = failure_of(error)
            self.failure = failed if is_of_the_disk(error) else None
            tell([(pending, failed) for pending in batch])
        else:
            for pending in batch:
                self._commit(connection, [pending])


def write(connection: sqlite3.Connection, batch: Iterable[Pending]) -> Exception | None:
    """Write `batch` in one transaction; the error when it could not be, with nothing of it written."""
    try:
        connection.execute("BEGIN IMMEDIATE")
        for pending in batch:
            pending.work(connection)
        connection.execute("COMMIT")
    except Exception as error:  # noqa: BLE001 - told to the waiters; this thread must outlive it
        roll_back(connection, error)
        return error
    return None


def roll_back(connection: sqlite3.Connection, cause: Exception) -> None:
    """Undo the open transaction, if there is one; a failure of that is noted on `cause`."""
    try:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
    except sqlite3.Error as error:
        cause.add_note(f"and it could not be rolled back: {error}")


def is_of_the_disk(error: Exception) -> bool:
    """True when the file is at fault (full, broken, locked), which no other order of entries would change."""
    return isinstance(error, sqlite3.DatabaseError) and not isinstance(
        error, (sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.DataError)
    )


def failure_of(error: Exception) -> LedgerFailed:
    """What the waiters are told."""
    if isinstance(error, LedgerFailed):
        return error
    failed = LedgerFailed(f"the ledger could not be written: {error}")
    failed.__cause__ = error
    return failed


def tell(results: Iterable[tuple[Pending, LedgerFailed | None]]) -> None:
    """Resolve tickets, and wake each waiting loop once."""
    waiting: dict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = {}
    for pending, error in results:
        for waiter in pending.resolve(error):
            waiting.setdefault(waiter.get_loop(), []).append(waiter)
    for loop, those in waiting.items():
        try:
            loop.call_soon_threadsafe(wake, those)
        except RuntimeError:
            continue  # the loop ended; its waiters ended with it


def wake(those: Iterable[asyncio.Future[None]]) -> None:
    """On the waiting loop: let the waiters go on."""
    for waiter in those:
        if not waiter.done():
            waiter.set_result(None)
