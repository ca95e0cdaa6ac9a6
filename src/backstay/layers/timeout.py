"""Timeout: no call waits longer than it was told to, and the error says which wait it was.

Four limits (`Timeouts`), of which this layer keeps three; `connect` belongs to the transport, which knows whether bytes left:

    first_event      from the start of the attempt to the first content event of a stream
    between_events   between two events of a stream; keep-alive comments and pings do not count as events
    total            the call's own deadline, over queueing, retries and failover; set once by the client

A whole answer has no first event to wait for, so only the deadline binds it. Outcomes: complete, failed and dropped all end
the watch; a watch that fires ends the stream with `StreamInterrupted`, caused by `TimedOut`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

from backstay.errors import DeadlineExceeded, StreamInterrupted, TimedOut
from backstay.event import Event
from backstay.service import Call, Reply, Service, close_batches
from backstay.transport.base import Timeouts


class Timeout:
    """The layer; stateless, one for all calls."""

    def __init__(self, timeouts: Timeouts) -> None:
        self._timeouts = timeouts

    async def __call__(self, call: Call, inner: Service, /) -> Reply:
        now = asyncio.get_running_loop().time()
        if call.deadline is not None and call.deadline <= now:
            raise DeadlineExceeded("the deadline passed before this attempt began")
        first = self._timeouts.first_event if call.stream else None
        limit, phase = _earlier(call.deadline, None if first is None else now + first)
        if limit is None:
            reply = await inner(call)
        else:
            reply = await _limited(call, inner, limit, phase)
        if not reply.is_whole:
            reply.wrap(lambda batches: watch(batches, self._timeouts.between_events, call.deadline))
        return reply


def _earlier(deadline: float | None, first: float | None) -> tuple[float | None, str]:
    if first is not None and (deadline is None or first < deadline):
        return first, "first_event"
    return deadline, "total"


async def _limited(call: Call, inner: Service, limit: float, phase: str) -> Reply:
    try:
        async with asyncio.timeout_at(limit) as scope:
            return await inner(call)
    except TimeoutError as error:
        if not scope.expired():
            raise
        raise TimedOut(f"no answer in time ({phase})", phase=phase, sent=True) from error


class _Watch:
    """One timer for a whole stream, re-armed only when it fires: an event costs a clock reading, not a timer."""

    def __init__(self, between: float | None, deadline: float | None) -> None:
        self._loop = asyncio.get_running_loop()
        self._between = between
        self._deadline = deadline
        self._task: asyncio.Task[object] | None = None
        self._requested = 0
        self._since = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self.phase = ""

    def wait(self) -> None:
        """The consumer begins to wait for an event."""
        self._task = task = asyncio.current_task()
        self._requested = task.cancelling() if task is not None else 0
        self._since = self._loop.time()
        if self._timer is None:
            self._arm()

    def arrived(self) -> None:
        """The event is there."""
        self._task = None

    def _arm(self) -> None:
        limit, _ = _earlier(self._deadline, None if self._between is None else self._since + self._between)
        if limit is not None:
            self._timer = self._loop.call_at(limit, self._fire)

    def _fire(self) -> None:
        self._timer = None
        if self._task is None:
            return
        limit, phase = _earlier(self._deadline, None if self._between is None else self._since + self._between)
        if limit is not None and limit <= self._loop.time():
            self.phase = "between_events" if phase == "first_event" else phase
            self._task.cancel()
        else:
            self._arm()

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def is_ours(self) -> bool:
        """True when a cancellation came from this watch and from nobody else."""
        return bool(self.phase) and self._task is not None and self._task.uncancel() <= self._requested


async def watch(
    batches: AsyncIterator[Sequence[Event]], between: float | None, deadline: float | None
) -> AsyncIterator[Sequence[Event]]:
    """`batches`, cut by StreamInterrupted when the next event is too long in coming or the deadline passes."""
    if between is None and deadline is None:
        async for batch in batches:
            yield batch
        return
    guard = _Watch(between, deadline)
    try:
        while True:
            guard.wait()
            try:
                batch = await anext(batches)
            except StopAsyncIteration:
                return
            except asyncio.CancelledError:
                if not guard.is_ours():
                    raise
                cause = TimedOut(f"no event in time ({guard.phase})", phase=guard.phase, sent=True)
                raise StreamInterrupted(f"the stream stalled: {cause}") from cause
            guard.arrived()
            yield batch
    finally:
        guard.stop()
        await close_batches(batches)
