"""The writer: one thread, one connection, many entries a transaction.

A commit that reaches the disk costs about a millisecond whatever it holds, so entries that wait together are committed together
(group commit). Each entry's ticket is resolved after the commit that holds it, on the loop that is waiting. A batch that fails is
tried entry by entry, so that one bad entry does not take its neighbours with it; what the disk refuses is told to every waiter.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable, Generator, Iterable
from typing import Any, TypeAlias

from backstay.errors import LLMError
from backstay.ledger.base import LedgerFailed

Work: TypeAlias = Callable[[sqlite3.Connection], None]
MAX_BATCH = 512


class Pending:
    """A ticket: awaited on a loop, or waited for in a thread. Resolved once, by the writer."""

    __slots__ = ("_done", "_error", "_future", "_lock", "_loop", "work")

    def __init__(self, work: Work) -> None:
        self.work = work
        self._lock = threading.Lock()
        self._done = False
        self._error: LLMError | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._future: asyncio.Future[None] | None = None

    def __await__(self) -> Generator[Any, None, None]:
        with self._lock:
            if not self._done and self._future is None:
                self._loop = asyncio.get_running_loop()
                self._future = self._loop.create_future()
            future = self._future
        if future is not None and not self._done:
            yield from asyncio.shield(future).__await__()
        if self._error is not None:
            raise self._error

    def resolve(self, error: LLMError | None) -> asyncio.AbstractEventLoop | None:
        """Note the result; the loop that must be told, if somebody waits there."""
        with self._lock:
            self._done, self._error = True, error
            return self._loop

    def wake(self) -> None:
        """On the waiting loop: let the waiter go on."""
        if self._future is not None and not self._future.done():
            self._future.set_result(None)


class Writer:
    """Runs `Work` in order, in grouped transactions, on a thread that it starts and owns."""

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        self._queue: queue.SimpleQueue[Pending | None] = queue.SimpleQueue()
        self._is_closed = False
        self.failure: LLMError | None = None
        started: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, args=(connect, started), name="backstay-ledger", daemon=True)
        self._thread.start()
        error = started.get()
        if error is not None:
            raise error

    def submit(self, work: Work) -> Pending:
        """Put `work` in line. Never waits."""
        pending = Pending(work)
        if self._is_closed:
            pending.resolve(LedgerFailed("the ledger is closed"))
        else:
            self._queue.put(pending)
        return pending

    def close(self) -> None:
        """Write what is in line, then end the thread. Idempotent."""
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
        try:
            is_open = True
            while is_open:
                batch, is_open = self._take()
                if batch:
                    self._commit(connection, batch)
        finally:
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
        error = _write(connection, batch)
        if error is None or len(batch) == 1:
            self.failure = error if isinstance(error, LedgerFailed) and error.__cause__ is not None else None
            _tell([(pending, error) for pending in batch])
        else:
            for pending in batch:
                self._commit(connection, [pending])


def _write(connection: sqlite3.Connection, batch: Iterable[Pending]) -> LLMError | None:
    """Write `batch` in one transaction; the error when it could not be, with nothing of it written."""
    try:
        connection.execute("BEGIN IMMEDIATE")
        for pending in batch:
            pending.work(connection)
        connection.execute("COMMIT")
    except (sqlite3.Error, LLMError) as error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        if isinstance(error, LLMError):
            return error
        failed = LedgerFailed(f"the ledger could not be written: {error}")
        failed.__cause__ = error
        return failed
    return None


def _tell(results: Iterable[tuple[Pending, LLMError | None]]) -> None:
    """Resolve tickets, and wake each waiting loop once."""
    waiting: dict[asyncio.AbstractEventLoop, list[Pending]] = {}
    for pending, error in results:
        loop = pending.resolve(error)
        if loop is not None:
            waiting.setdefault(loop, []).append(pending)
    for loop, those in waiting.items():
        try:
            loop.call_soon_threadsafe(_wake, those)
        except RuntimeError:
            continue  # the loop ended; its waiters ended with it


def _wake(those: list[Pending]) -> None:
    for pending in those:
        pending.wake()
