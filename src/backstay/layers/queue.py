"""Queue: so many calls at a time; the others wait by priority, for so long, and in bounded lines.

The rules are pure (`queue_policy.py`); this is the shell that waits by them. A waiter holds nothing but its place: no
connection, no permit, no reservation. One that is cancelled or whose time is over is out of its line at once, so no permit is
ever handed to nobody.

A permit is held for as long as the call has work going on: until the outcome of a stream, or until a whole answer is here.

    complete    the permit goes to the next in line; the time it ran teaches the prediction
    failed      the same, raised from the call or in the stream
    dropped     the same; a waiter that is dropped leaves its place, and one dropped with a permit already its own passes it on

It belongs to one event loop and holds nothing of it while nobody waits.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

import msgspec

from backstay.errors import DeadlineExceeded, LLMError, QueueFull, QueueTimedOut
from backstay.layers.queue_policy import PRIORITIES, Lines, Place, QueuePolicy, Verdict
from backstay.ports import Clock
from backstay.service import Call, Reply, Service
from backstay.types import Priority

KEPT_WAITS: Final = 1024
"""The latest waits of each class that the percentiles are made of."""


class LineStats(msgspec.Struct, frozen=True, kw_only=True):
    """One class: how many wait now, how many were served, refused (at the door or displaced), timed out and cancelled in
    line; and percentiles of the seconds that the latest ones who were served had waited."""

    waiting: int
    served: int
    refused: int
    timed_out: int
    cancelled: int
    wait_p50: float
    wait_p95: float
    wait_p99: float


class QueueStats(msgspec.Struct, frozen=True, kw_only=True):
    """The queue at this moment: calls that run, calls that wait, and each class."""

    running: int
    waiting: int
    high: LineStats
    medium: LineStats
    low: LineStats


class _Tally:
    __slots__ = ("cancelled", "refused", "served", "timed_out", "waits")

    def __init__(self) -> None:
        self.served = self.refused = self.timed_out = self.cancelled = 0
        self.waits: deque[float] = deque(maxlen=KEPT_WAITS)

    def stats(self, waiting: int) -> LineStats:
        waits = sorted(self.waits) or [0.0]
        p50, p95, p99 = (waits[min(len(waits) - 1, int(len(waits) * share))] for share in (0.5, 0.95, 0.99))
        return LineStats(
            waiting=waiting, served=self.served, refused=self.refused, timed_out=self.timed_out,
            cancelled=self.cancelled, wait_p50=p50, wait_p95=p95, wait_p99=p99,
        )  # fmt: skip


class _Waiter(Place):
    """A place with somebody at it: `turn` is resolved when it may start, or fails with the refusal."""

    __slots__ = ("timer", "turn")

    turn: asyncio.Future[None]
    timer: asyncio.TimerHandle


class Queue:
    """The layer; one for all targets of a client."""

    def __init__(self, policy: QueuePolicy | None = None, *, clock: Clock) -> None:
        self._lines = Lines(policy or QueuePolicy())
        self._clock = clock
        self._waiters: dict[str, _Waiter] = {}
        self._tallies = {priority: _Tally() for priority in PRIORITIES}

    async def __call__(self, call: Call, inner: Service, /) -> Reply:
        tally = self._tallies[call.request.metadata.priority]
        waited = 0.0 if self._lines.start() else await self._wait(call)
        tally.served += 1
        tally.waits.append(waited)
        started = self._clock.monotonic()
        try:
            reply = await inner(call)
        except BaseException:
            self._leave(self._clock.monotonic() - started)
            raise
        if reply.is_whole:  # all its work is done; a consumer that takes its time is none
            self._leave(self._clock.monotonic() - started)
        else:
            reply.observe(lambda outcome: self._leave(self._clock.monotonic() - started))
        return reply

    async def _wait(self, call: Call) -> float:
        """Wait in line for a permit; the seconds that it took. Raises QueueFull, QueueTimedOut or DeadlineExceeded."""
        about = call.request.metadata
        place = _Waiter(about.priority, tenant=about.tenant, call_id=call.request.id, deadline=call.deadline)
        verdict = self._lines.enter(place, self._clock.monotonic())
        if verdict.kind != "wait":
            self._tallies[place.priority].refused += 1
            raise _refusal(place, verdict)
        if verdict.displaced is not None:
            self._displace(verdict.displaced)
        loop = asyncio.get_running_loop()
        place.turn = loop.create_future()
        place.timer = loop.call_at(place.expires_at, self._expire, place)
        self._waiters[place.call_id] = place
        try:
            await place.turn
        except asyncio.CancelledError:
            self._abandon(place)
            raise
        finally:
            place.timer.cancel()
            if self._waiters.get(place.call_id) is place:
                del self._waiters[place.call_id]
        return self._clock.monotonic() - place.joined_at

    def _abandon(self, place: _Waiter) -> None:
        """Its caller is gone: out of the line, or, where it had been given a permit in the same instant, pass that on."""
        if place.turn.done() and not place.turn.cancelled():
            if place.turn.exception() is None:
                self._leave(None)
            return
        self._lines.remove(place)
        self._tallies[place.priority].cancelled += 1

    def _leave(self, run: float | None) -> None:
        """Give a permit back, after `run` seconds of use, and hand it to who is next."""
        self._lines.finish(run)
        while self._lines.waiting:
            place, late = self._lines.next(self._clock.monotonic())
            for loser in late:
                self._time_out(loser)
            if place is None:
                return
            if isinstance(place, _Waiter) and not place.turn.done():
                place.turn.set_result(None)
            else:  # cancelled a moment ago, and not awake yet to say so
                self._lines.finish(None)

    def _expire(self, place: _Waiter) -> None:
        if self._lines.remove(place):
            self._time_out(place)

    def _time_out(self, place: Place) -> None:
        what = f"waited {place.expires_at - place.joined_at:.3g} s in line as {place.priority}"
        if place.expires_at == place.deadline:
            error: LLMError = DeadlineExceeded(f"queue: {what}; then the deadline passed")
        else:
            wait = self._lines.retry_after(place.priority)
            error = QueueTimedOut(f"queue: {what}; none of the calls before it ended in time", retry_after=wait)
        self._tallies[place.priority].timed_out += _fail(place, error)

    def _displace(self, place: Place) -> None:
        wait = self._lines.retry_after(place.priority)
        error = QueueFull("queue: its place went to a call with a better right to it", retry_after=wait)
        self._tallies[place.priority].refused += _fail(place, error)

    def promote(self, call_id: str, priority: Priority) -> bool:
        """Move the waiting call `call_id` to a higher class, because somebody of that class waits for it now.

        False where it waits no more, is of that class already, or the class has no place.
        """
        place = self._waiters.get(call_id)
        if place is None or not self._lines.promote(place, priority, self._clock.monotonic()):
            return False
        place.timer.cancel()
        place.timer = asyncio.get_running_loop().call_at(place.expires_at, self._expire, place)
        return True

    @property
    def running(self) -> int:
        """The calls that have a permit now."""
        return self._lines.running

    @property
    def waiting(self) -> int:
        """The calls that stand in line now."""
        return self._lines.waiting

    def eta(self, priority: Priority) -> float | None:
        """Seconds that a call of this class would wait if it came now; None while no call has ended to judge by."""
        return self._lines.eta(priority)

    def stats(self) -> QueueStats:
        """What runs, waits, and came of the calls so far, by class."""
        lines = {name: tally.stats(self._lines.line(name).length) for name, tally in self._tallies.items()}
        return QueueStats(running=self._lines.running, waiting=self._lines.waiting, **lines)


def _refusal(place: Place, verdict: Verdict) -> LLMError:
    if verdict.kind == "late":
        return DeadlineExceeded(f"queue: {verdict.reason}")
    return QueueFull(f"queue: {verdict.reason}", retry_after=verdict.retry_after)


def _fail(place: Place, error: LLMError) -> bool:
    """Tell a waiter why it is out; False where it had gone a moment before."""
    if not isinstance(place, _Waiter) or place.turn.done():
        return False
    place.turn.set_exception(error)
    return True
