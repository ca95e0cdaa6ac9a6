"""Join: a question that is being answered already is not asked again; whoever asks it too gets the same answer.

The request upstream belongs to a task of its own, the flight, and not to the call that began it. So a caller that is cancelled
or leaves harms nobody else: the others go on, and only when the last one has left is the flight cancelled, which the layers
inside see as a consumer that dropped. The flight begins in its first caller's turn (`eager.py`), so one that need not wait costs
no turn of the event loop. Every joiner has a Reply of its own, with an outcome of its own; one that comes late to a
stream gets what the others had first.

A stream is read at the pace of its fastest reader, at most `AHEAD` events before it. Its events are kept once for the flight,
so a slow reader stops nobody and costs no copy; what is kept is bounded by the answer itself. A failure before the commit point
goes to all, to each as an exception of its own, so that tracebacks and notes do not mix.

A call joins a flight only if it loses nothing by it: not if it wants an answer of its own (`is_fresh`), not a stream to a whole
answer, not with more than twice the time that the flight has left. A caller of a higher class raises the flight to its own
(`promote`, which the queue has), so that HIGH never waits in LOW's line. Its own, earlier deadline each joiner keeps itself.

    complete    to all; the one that began it has the cost, the joiners cost nothing, as the ledger has one row
    failed      to all, whether raised from the call or in the stream
    dropped     leaves the flight; the last one to leave cancels it and waits for its end
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Final

import msgspec

from backstay.canonical import request_key
from backstay.eager import start
from backstay.errors import DeadlineExceeded, TimedOut
from backstay.event import Event
from backstay.layers.queue_policy import PRIORITIES
from backstay.layers.timeout import watch
from backstay.service import Call, Reply, Service, close_batches
from backstay.types import Cost, Priority, Response

Key = Callable[[Call], str | None]
"""Names what a call asks; calls with one name are one question. None: not to be joined."""


AHEAD: Final = 16
"""Events that may wait for the fastest reader: enough that it need not be woken for each one of a burst."""


class JoinStats(msgspec.Struct, frozen=True, kw_only=True):
    """Flights that can be joined now, flights that began, and the calls that joined one, by class."""

    in_flight: int
    flights: int
    high: int
    medium: int
    low: int


def key_of(call: Call) -> str | None:
    """The canonical key of the request with its tenant; None for one that has no canonical form."""
    try:
        return request_key(call.request)
    except (TypeError, ValueError):
        return None


class _Flight:
    """One request upstream, and what has come of it so far. `outcome` is its Response or its error, None while it lasts; on the
    `board` stand the flights that can be joined."""

    __slots__ = (
        "board",
        "call",
        "events",
        "front",
        "is_landed",
        "joiners",
        "key",
        "outcome",
        "priority",
        "reader",
        "task",
        "waiting",
    )

    def __init__(self, key: str, call: Call, board: dict[str, _Flight]) -> None:
        self.key = key
        self.call = call
        self.board = board
        self.priority: Priority = call.request.metadata.priority
        self.joiners = 1
        self.front = 0
        self.is_landed = False
        self.events: list[Event] = []
        self.outcome: Response | BaseException | None = None
        self.waiting: list[asyncio.Future[None]] = []
        self.reader: asyncio.Future[None] | None = None
        self.task: asyncio.Task[None] | None = None

    async def fly(self, inner: Service) -> None:
        """Ask, and read the answer as fast as its fastest reader wants it."""
        try:
            reply = await inner(self.call)
            self.outcome = await (reply.response() if reply.is_whole else self._read(reply))
        except BaseException as error:
            self.outcome = error
            if not isinstance(error, (Exception, asyncio.CancelledError)):
                raise
        finally:
            self.forget()
            if self.waiting:
                self.wake()

    async def _read(self, reply: Reply) -> Response:
        ahead = 0

        async def counted(batches: AsyncIterator[Sequence[Event]]) -> AsyncIterator[Sequence[Event]]:
            nonlocal ahead
            try:
                async for batch in batches:
                    ahead += len(batch)
                    yield batch
            finally:
                await close_batches(batches)

        reply.wrap(counted)
        async with reply:
            self.is_landed = True
            self.wake()
            async for event in reply:
                self.events.append(event)
                ahead -= 1
                if ahead <= 0:  # the batch is over: the next step may have to wait
                    self.wake()
                    await self._wanted()
            return await reply.response()

    async def _wanted(self) -> None:
        """Where the fastest reader is far behind, wait until it has all that is here and wants more."""
        if not self.waiting and len(self.events) - self.front >= AHEAD:
            self.reader = asyncio.get_running_loop().create_future()
            try:
                await self.reader
            finally:
                self.reader = None

    def forget(self) -> None:
        """Nobody can join it any more: it has ended, or is about to."""
        if self.board.get(self.key) is self:
            del self.board[self.key]

    def wake(self) -> None:
        """Tell all who wait that there is news."""
        waiting, self.waiting = self.waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)

    async def news(self) -> None:
        """Wait for the next event, or the answer, or the end."""
        future = asyncio.get_running_loop().create_future()
        self.waiting.append(future)
        if self.reader is not None and not self.reader.done():
            self.reader.set_result(None)
        await future

    async def landing(self) -> None:
        """Wait until the stream has begun, or the answer or its failure is there."""
        while not self.is_landed and self.outcome is None:
            await self.news()

    async def batches(self, is_first: bool) -> AsyncIterator[Sequence[Event]]:
        """All events from the first on, and the failure at the end if there is one."""
        seen = 0
        while True:
            if seen < len(self.events):
                batch = self.events[seen:] if seen else self.events.copy()
                seen += len(batch)
                self.front = max(self.front, seen)
                yield batch
            elif self.outcome is None:
                await self.news()
            elif isinstance(self.outcome, BaseException):
                raise own_copy(self.outcome, is_first)
            else:
                return

    def fits(self, call: Call, now: float) -> bool:
        """True where `call` loses nothing by joining: it gets a stream if it wants one, and at least half of its time."""
        if self.outcome is not None or (call.stream and not self.call.stream):
            return False
        mine, its = call.deadline, self.call.deadline
        return its is None or (mine is not None and its - now >= (mine - now) / 2)


class Join:
    """The layer; one for all targets of a client.

    `key` names the question (by default `key_of`). `promote(call_id, priority)` raises a waiting call to a higher class.
    """

    def __init__(self, key: Key = key_of, *, promote: Callable[[str, Priority], object] | None = None) -> None:
        self._key = key
        self._promote = promote
        self._flights: dict[str, _Flight] = {}
        self._begun = 0
        self._joined = dict.fromkeys(PRIORITIES, 0)

    async def __call__(self, call: Call, inner: Service, /) -> Reply:
        key = None if call.is_fresh else self._key(call)
        if key is None:
            return await inner(call)
        flight = self._flights.get(key)
        if is_first := flight is None or not self._enlisted(flight, call):
            flight = self._begin(key, call, inner)
        if flight.outcome is None and not flight.is_landed:
            try:
                if is_first or not _is_shorter(call, flight.call):
                    await flight.landing()
                else:
                    await _landed(flight, call)
            except BaseException:
                await self._leave(flight)
                raise
        return self._reply(flight, call, is_first)

    def _begin(self, key: str, call: Call, inner: Service) -> _Flight:
        flight = self._flights[key] = _Flight(key, call, self._flights)
        self._begun += 1
        flight.task = start(flight.fly(inner))
        return flight

    def _enlisted(self, flight: _Flight, call: Call) -> bool:
        """Join `flight`; False where the call would lose by it. Raises DeadlineExceeded for one whose time is over."""
        now = asyncio.get_running_loop().time()
        if not flight.fits(call, now):
            return False
        if call.deadline is not None and call.deadline <= now:
            raise DeadlineExceeded("join: the deadline has passed")
        flight.joiners += 1
        priority = call.request.metadata.priority
        self._joined[priority] += 1
        if PRIORITIES.index(priority) < PRIORITIES.index(flight.priority):
            flight.priority = priority
            if self._promote is not None:
                self._promote(flight.call.request.id, priority)
        return True

    async def _leave(self, flight: _Flight) -> None:
        """One joiner less; the last one ends the flight and waits until what it held is released."""
        flight.joiners -= 1
        if flight.joiners == 0 and flight.outcome is None and flight.task is not None:
            flight.forget()
            flight.task.cancel()
            await asyncio.wait((flight.task,))

    def _reply(self, flight: _Flight, call: Call, is_first: bool) -> Reply:
        outcome = flight.outcome
        if isinstance(outcome, BaseException) and not flight.is_landed:
            raise own_copy(outcome, is_first)
        if isinstance(outcome, Response) and not flight.is_landed:
            return Reply(response=outcome if is_first else shared(outcome))
        reply = Reply(flight.batches(is_first), close=lambda: self._leave(flight))
        reply.amend(lambda response: _answer(flight, response, is_first))
        if _is_shorter(call, flight.call):
            reply.wrap(lambda batches: watch(batches, None, call.deadline))
        return reply

    def stats(self) -> JoinStats:
        """What is in the air, and how much was saved so far."""
        return JoinStats(in_flight=len(self._flights), flights=self._begun, **self._joined)


async def _landed(flight: _Flight, call: Call) -> None:
    """Wait until the stream has begun or the answer is there; raises TimedOut at the call's own deadline."""
    try:
        async with asyncio.timeout_at(call.deadline) as scope:
            await flight.landing()
    except TimeoutError as error:
        if not scope.expired():
            raise
        raise TimedOut("no answer in time (total)", phase="total", sent=True) from error


def _is_shorter(call: Call, other: Call) -> bool:
    return call.deadline is not None and (other.deadline is None or call.deadline < other.deadline)


def _answer(flight: _Flight, response: Response, is_first: bool) -> Response:
    if not isinstance(flight.outcome, Response):
        return response
    return flight.outcome if is_first else shared(flight.outcome)


def shared(response: Response) -> Response:
    """`response` as a joiner has it: it says so, and costs nothing, because the one that began the flight has the cost."""
    provenance = msgspec.structs.replace(response.provenance, joined=True)
    return msgspec.structs.replace(response, cost=Cost(nano_usd=0), provenance=provenance)


def own_copy(error: BaseException, is_first: bool) -> BaseException:
    """`error` for the call that began the flight; for the others one that is like it, with notes and a traceback of its own."""
    if is_first:
        return error
    try:
        fresh = copy.copy(error)
    except Exception:  # noqa: BLE001 - an exception of somebody's that cannot be copied is better than another one
        return error
    fresh.__cause__ = error.__cause__
    fresh.__suppress_context__ = error.__suppress_context__
    if hasattr(error, "__notes__"):
        fresh.__notes__ = list(error.__notes__)
    return fresh
