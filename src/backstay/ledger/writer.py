"""The writer: one thread, one connection, many entries a transaction.

A commit that reaches the disk costs the same whatever it holds (a tenth of a millisecond of CPU, and the disk's own time), so
entries that wait together are committed together (group commit). Each entry's ticket is resolved after the commit that holds it,
on the loop that is waiting. While several attempts are open the writer waits half a millisecond for their entries before it
takes them: PostgreSQL's `commit_delay` with its `commit_siblings`, which costs a lone caller nothing.

Nobody waits for ever: what the disk refuses is told to every waiter, and should the thread itself end, so is that.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable, Generator, Sequence
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

from backstay.errors import LLMError
from backstay.ledger.base import LedgerFailed
from backstay.ports import blocking_sleep

MAX_BATCH = 512
SIBLINGS = 5
"""Open attempts from which on the writer waits for company: PostgreSQL's `commit_siblings`."""

GATHER_SECONDS = 0.0005


class Pending:
    """A ticket, with the entry that it stands for: the values of a row. Resolved once, by the writer.

    There is no lock. The writer notes the result before it looks for waiters, a waiter puts itself down before it looks
    for the result, so at least one of them sees the other.
    """

    __slots__ = ("_error", "_is_done", "_waiters", "facts", "is_settlement")

    def __init__(self, facts: tuple[Any, ...], is_settlement: bool) -> None:
        self.facts = facts
        self.is_settlement = is_settlement
        self._is_done = False
        self._error: LLMError | None = None
        self._waiters: list[asyncio.Future[None]] = []

    def __await__(self) -> Generator[Any, None, None]:
        if not self._is_done:
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            if not self._is_done:
                yield from waiter
        if self._error is not None:
            raise self._error

    def resolve(self, error: LLMError | None) -> list[asyncio.Future[None]]:
        """Note the result; those who must be told of it, each on its own loop."""
        self._error = error
        self._is_done = True
        return self._waiters

    def __repr__(self) -> str:
        return f"Ticket({self._error or 'durable'})" if self._is_done else "Ticket(in line)"


class Connection(Protocol):
    """What the thread opens, and closes at its end."""

    def close(self) -> None: ...


C = TypeVar("C", bound=Connection)
Results: TypeAlias = Sequence[LLMError | None]
Write: TypeAlias = Callable[[C, Sequence[Pending]], Results | None]
"""Writes a batch in one transaction: the result of each entry, or None where all are good. Raises sqlite3.Error, or LLMError from
another database, where nothing of the batch could be written."""


class Writer(Generic[C]):
    """Runs `write` on batches of entries, in order, on a thread that it starts and owns."""

    def __init__(self, connect: Callable[[], C], write: Write[C]) -> None:
        self._write = write
        self._queue: queue.SimpleQueue[Pending | None] = queue.SimpleQueue()
        self._is_closed = False
        self._has_ended = False
        self._open = 0
        self.failure: LLMError | None = None
        started: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, args=(connect, started), name="backstay-ledger", daemon=True)
        self._thread.start()
        error = started.get()
        if error is not None:
            raise error

    def submit(self, pending: Pending) -> Pending:
        """Put an entry in line. Never waits."""
        self._queue.put(pending)
        if self._has_ended:
            self._refuse_rest()
        return pending

    def close(self) -> None:
        """Write what is in line, then end the thread. Idempotent."""
        if not self._is_closed:
            self._is_closed = True
            self._queue.put(None)
        self._thread.join()

    def _run(self, connect: Callable[[], C], started: queue.SimpleQueue[BaseException | None]) -> None:
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
            self._has_ended = True
            self._refuse_rest()
            connection.close()

    def _take(self) -> tuple[list[Pending], bool]:
        """Everything that is in line, up to a batch; False when the end was in it."""
        item = self._queue.get()
        if self._open >= SIBLINGS and not self._is_closed:
            blocking_sleep(GATHER_SECONDS)
        batch: list[Pending] = []
        while item is not None:
            batch.append(item)
            if len(batch) >= MAX_BATCH or self._queue.empty():
                return batch, True
            item = self._queue.get()
        return batch, False

    def _commit(self, connection: C, batch: list[Pending]) -> None:
        results: Results | None = None
        try:
            results = self._write(connection, batch)
            self.failure = None
        except (sqlite3.Error, LLMError) as error:
            self.failure = LedgerFailed(f"the ledger could not be written: {error}")
            self.failure.__cause__ = error
            results = [self.failure] * len(batch)
        except BaseException as error:
            self.failure = LedgerFailed(f"the ledger's writer ended: {error!r}")
            _tell(batch, [self.failure] * len(batch))
            raise
        for pending in batch:
            self._open += -1 if pending.is_settlement else 1
        self._open = max(self._open, 0)
        _tell(batch, results)

    def _refuse_rest(self) -> None:
        """After the end: whatever is in line, or comes yet, is told so. Any thread may do it; the queue gives each once."""
        rest: list[Pending] = []
        while True:
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                break
            if item is not None:
                rest.append(item)
        _tell(rest, [self.failure or LedgerFailed("the ledger is closed")] * len(rest))


def _tell(batch: Sequence[Pending], results: Results | None) -> None:
    """Resolve tickets, and wake each waiting loop once."""
    waiting: dict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = {}
    for index, pending in enumerate(batch):
        for waiter in pending.resolve(None if results is None else results[index]):
            waiting.setdefault(waiter.get_loop(), []).append(waiter)
    for loop, waiters in waiting.items():
        try:
            loop.call_soon_threadsafe(_wake, waiters)
        except RuntimeError:
            continue  # the loop ended; its waiters ended with it


def _wake(waiters: list[asyncio.Future[None]]) -> None:
    for waiter in waiters:
        if not waiter.done():
            waiter.set_result(None)
