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
        loop = asyncio.get_running_loop()
        now = loop.time()
        if call.deadline is not None and call.deadline <= now:
            raise DeadlineExceeded("the deadline passed before this attempt began")
        limit, phase = call.deadline, "total"
        if call.stream and self._timeouts.first_event is not None:
            limit, phase = _earlier(call.deadline, now + self._timeouts.first_event)
        if limit is None:
            reply = await inner(call)
        else:
            alarm = _Alarm(loop, limit)
            try:
                reply = await inner(call)
            except asyncio.CancelledError as error:
                if not alarm.is_ours():
                    raise
                raise TimedOut(f"no answer in time ({phase})", phase=phase, sent=True) from error
            finally:
                alarm.stop()
        if not reply.is_whole:
            reply.wrap(lambda batches: watch(batches, self._timeouts.between_events, call.deadline))
        return reply


def _earlier(deadline: float | None, first: float | None) -> tuple[float | None, str]:
    if first is not None and (deadline is None or first < deadline):
        return first, "first_event"
    return deadline, "total"


class _Alarm:
    """Cancels the task that set it at `limit`, unless it is stopped before: `asyncio.timeout_at` at a third of its cost."""

    __slots__ = ("_has_rung", "_requested", "_task", "_timer")

    def __init__(self, loop: asyncio.AbstractEventLoop, limit: float) -> None:
        task = asyncio.current_task(loop)
        if task is None:
            raise RuntimeError("a call is made inside a task")
        self._task: asyncio.Task[object] = task
        self._requested = task.cancelling()
        self._has_rung = False
        self._timer = loop.call_at(limit, self._ring)

    def _ring(self) -> None:
        self._has_rung = True
        self._task.cancel()

    def is_ours(self) -> bool:
        """True when a cancellation came from this alarm and from nobody else, who would have to be heard."""
        return self._has_rung and self._task.cancelling() - 1 <= self._requested

    def stop(self) -> None:
        """End it. A cancellation of its own is taken back, whatever became of it."""
        self._timer.cancel()
        if self._has_rung:
            self._task.uncancel()


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
        self._task = task = asyncio.current_task(self._loop)
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
