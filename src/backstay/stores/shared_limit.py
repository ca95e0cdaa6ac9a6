"""SharedLimits: one budget, one line and one set of limits for many processes, exact, by agreeing on an order.

The semantics of limits are in one place, the engine in memory. It is deterministic: the same operations at the same instants give
the same state. So processes share a log of operations instead of tables of counters (state machine replication: Lamport
1978; Schneider 1990). An operation is appended, which gives it its place and its instant; the answer carries what others
appended before; each process applies all of it, in order, to its own engine, and reads the answer off. One round trip, nothing
locked in between, nothing to be undone, and the same figures in memory, SQLite, PostgreSQL and Redis.

What waits to be asked goes together, in the order of asking, also after the asker stopped waiting. A settlement that the
database did not take stays in line and goes first when it is back. A reservation of which nobody knows whether it was
taken is released the same way.

The price: every process does the work of all (about 30 microseconds an operation), and processes must run the same VERSION.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Generator, Mapping, Sequence
from typing import Any, Final

import msgspec

from backstay.stores.failure import StoreFailed
from backstay.stores.limit import MAX_WAITING, Alert, Answer, Claim, LimitStore, Rule, Standing
from backstay.stores.memory_limit import MemoryLimits
from backstay.stores.operation import (
    Check,
    Delivered,
    Due,
    Instant,
    Operation,
    Reserve,
    Result,
    Settle,
    Stand,
    Tighten,
    apply,
    decode,
    encode,
)
from backstay.stores.sequence import KEEP_EVERY, Forgotten, Sequencer, Stretch
from backstay.stores.state import dump, load

MAX_BATCH: Final = 256
SLICE: Final = 32
"""Entries that are applied in one go, about 2 milliseconds; in between the program's other tasks have their turn."""
LOOK_SECONDS: Final = 0.05
"""How often a process with waiters looks whether another one made room."""


class SharedLimits(LimitStore):
    """A LimitStore over the log of `sequencer`. It belongs to one event loop at a time."""

    def __init__(self, sequencer: Sequencer, *, max_waiting: int = MAX_WAITING) -> None:
        self._sequencer = sequencer
        self._max_waiting = max_waiting
        self._instant = Instant()
        self._engine = MemoryLimits(self._instant, max_waiting=max_waiting)
        self._generation = ""
        self._number = 0
        self._line: deque[tuple[Operation, asyncio.Future[Any]]] = deque()
        self._owed: deque[Operation] = deque()
        self._pump: asyncio.Task[None] | None = None
        self._is_closed = False
        self._sleeping = 0
        self._look: asyncio.TimerHandle | None = None

    async def reserve(self, claim: Claim) -> Answer:
        return await self._ask(Reserve(claim))  # type: ignore[no-any-return]

    async def check(self, lease_id: str) -> Answer:
        return await self._ask(Check(lease_id))  # type: ignore[no-any-return]

    async def pause(self, lease_id: str, seconds: float) -> None:
        """Sleep on the engine of this process; while anybody does, one look a process keeps it up with the others."""
        self._sleeping += 1
        if self._look is None:
            self._look = asyncio.get_running_loop().call_later(LOOK_SECONDS, self._looked)
        try:
            await self._engine.pause(lease_id, seconds)
        finally:
            self._sleeping -= 1

    def _looked(self) -> None:
        self._look = None
        if self._sleeping and not self._is_closed:
            self._ask(Check(""))
            self._look = asyncio.get_running_loop().call_later(LOOK_SECONDS, self._looked)

    def settle(self, lease_id: str, actual: Mapping[str, int]) -> Awaitable[int]:
        return self._ask(Settle(lease_id, dict(actual)))

    def release(self, lease_id: str) -> Awaitable[int]:
        return self._ask(Settle(lease_id, None))

    def tighten(self, rule: Rule, room: int, seconds: float) -> Awaitable[int]:
        return self._ask(Tighten(rule, room, seconds))

    async def standings(self, scope: str | None = None) -> Sequence[Standing]:
        return await self._ask(Stand(scope))  # type: ignore[no-any-return]

    async def due_alerts(self, seconds: float) -> Sequence[Alert]:
        return await self._ask(Due(seconds))  # type: ignore[no-any-return]

    def delivered(self, alert: Alert) -> Awaitable[int]:
        return self._ask(Delivered(alert))

    @property
    def owed(self) -> int:
        """The settlements that the database has not taken yet."""
        return len(self._owed)

    async def aclose(self) -> None:
        """Finish what is in line, try once more what is owed, and close. Idempotent."""
        if not self._is_closed:
            self._is_closed = True
            if self._look is not None:
                self._look.cancel()
            if self._pump is not None:
                await asyncio.shield(self._pump)
            if self._owed:
                await self._run([])
            await self._sequencer.aclose()

    def _ask(self, operation: Operation) -> asyncio.Future[Any]:
        """Put `operation` in line. Its result comes whether or not anybody waits for it."""
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if self._is_closed:
            answer.set_exception(StoreFailed("the store of limits is closed"))
        else:
            self._line.append((operation, answer))
            if self._pump is None or self._pump.done():
                self._pump = asyncio.ensure_future(self._pumped())
        answer.add_done_callback(_heard)
        return answer

    async def _pumped(self) -> None:
        while self._line:
            batch = [self._line.popleft() for _ in range(min(len(self._line), MAX_BATCH))]
            # A future that was cancelled still stands for an operation: its place in the order is taken.
            await self._run(batch)

    async def _run(self, batch: list[tuple[Operation, asyncio.Future[Any]]]) -> None:
        """Do what is owed, then `batch`, in one entry; tell everybody how it went."""
        owed = [self._owed.popleft() for _ in range(min(len(self._owed), MAX_BATCH))]
        try:
            results = await self._done([*owed, *(operation for operation, _ in batch)])
        except BaseException as error:
            self._owed.extendleft(reversed(owed))
            for operation, answer in batch:
                self._owe(operation)
                if not answer.done():
                    answer.set_exception(error if isinstance(error, Exception) else StoreFailed("closed in between"))
            if not isinstance(error, StoreFailed):
                raise
            return
        for (_, answer), result in zip(batch, results[len(owed) :], strict=True):
            if answer.done():
                continue
            if isinstance(result, Exception):
                answer.set_exception(result)
            else:
                answer.set_result(result)

    def _owe(self, operation: Operation) -> None:
        """What must still be done about an operation of which nobody knows whether it was."""
        match operation:
            case Reserve(claim):
                lease = self._engine._leases.get(claim.lease_id)
                if lease is None:
                    self._owed.append(Settle(claim.lease_id, None))
            case Settle() | Delivered() | Tighten():
                self._owed.append(operation)

    async def _done(self, operations: list[Operation]) -> list[Result | Exception]:
        """The results of `operations`, appended as one entry. A log that forgot is restored first."""
        body = encode(operations)
        for _ in range(2):
            try:
                stretch = await self._sequencer.append(self._generation, self._number, body)
                break
            except Forgotten:
                await self._sequencer.restore(self._generation, self._number, dump(self._engine), self._instant.now_us)
        else:
            raise StoreFailed("the store of limits lost its memory and could not be restored")
        try:
            results = await self._applied(stretch)
        except msgspec.DecodeError as error:
            self._generation, self._number = "", 0  # what was applied of it is not known: begin anew
            raise StoreFailed("the log of limits was written by another version of backstay") from error
        if self._number % KEEP_EVERY == 0:
            await self._kept()
        return results

    async def _kept(self) -> None:
        """Keep a snapshot. One that cannot be kept now is kept by whoever appends the entry a thousand later."""
        try:
            await self._sequencer.keep(self._generation, self._number, dump(self._engine))
        except StoreFailed:
            return

    async def _applied(self, stretch: Stretch, slice_: int = SLICE) -> list[Result | Exception]:
        """Follow the log; the results of its last entry. After an outage it may be long, and nobody else should wait for it."""
        if stretch.snapshot is not None or stretch.generation != self._generation or stretch.after != self._number:
            self._begin(stretch)
        results: list[Result | Exception] = []
        for place, entry in enumerate(stretch.entries, 1):
            self._instant.now_us, self._instant.wall_us = entry.now_us, entry.wall_us
            results = [self._tried(operation) for operation in decode(entry.body)]
            self._number += 1
            if place % slice_ == 0:
                await _Turn()
        return results

    def _tried(self, operation: Operation) -> Result | Exception:
        """The result, or what was wrong with the operation: its asker is told, and the log goes on for everybody."""
        try:
            return apply(self._engine, operation)
        except Exception as error:  # noqa: BLE001 - the same on every machine; raised where it was asked
            return error

    def _begin(self, stretch: Stretch) -> None:
        """Take over another state; who sleeps on the old engine looks at the new one."""
        for lease in self._engine._leases.values():
            lease.wake()
        if stretch.snapshot is None:
            self._engine = MemoryLimits(self._instant, max_waiting=self._max_waiting)
        else:
            self._engine = load(stretch.snapshot, self._instant, max_waiting=self._max_waiting)
        self._generation, self._number = stretch.generation, stretch.after


class _Turn:
    """Awaited, it lets the loop's other tasks run once."""

    def __await__(self) -> Generator[None, None, None]:
        yield


def _heard(answer: asyncio.Future[Any]) -> None:
    """An error of an operation that nobody awaits is not an error of the program: what is owed is kept."""
    if not answer.cancelled():
        answer.exception()
