"""SimLoop: an asyncio event loop on virtual time.

A selector loop that never looks at a socket: where a real loop would wait for its next timer, the clock advances to it, so an
hour of back-off costs microseconds. Three things that hang a real program are errors here: nothing is scheduled and somebody
still waits (`Deadlock`), the same instant goes on for ever (`Livelock`), and a blocking call to an executor. With a seed,
callbacks that are ready at the same instant run in a shuffled order: one seed, one order. Timers of one instant run in the order
in which they were set.

Each turn moves the clock by a nanosecond, because code that compares a deadline with the time of its own wake-up would
otherwise spin on a rounding error at one instant.

The turn of asyncio's own loop is replaced whole: its timers are compared in Python and its selector is asked every time, which
is a third of what a simulated call costs.

Source: deterministic simulation as in FoundationDB's and TigerBeetle's testing; the asyncio form is ours.
"""

from __future__ import annotations

import asyncio
import math
import random
import selectors
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context
from heapq import heapify, heappop, heappush
from typing import Any, TypeVar, TypeVarTuple

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

TICK = 1e-9
SPIN_LIMIT = 1_000_000
FEW = 100
"""Cancelled timers that are left where they are; more are swept out when they are half of all, as asyncio does."""


class Deadlock(RuntimeError):
    """Nothing is scheduled, no callback is ready, and the main coroutine still waits."""


class Livelock(RuntimeError):
    """A million turns (`spin_limit`) without the clock moving: something reschedules itself at one instant."""


class _Selector(selectors.BaseSelector):
    """Registers what it must and is never asked."""

    def __init__(self) -> None:
        self._map: dict[int, selectors.SelectorKey] = {}

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        fd = fileobj if isinstance(fileobj, int) else fileobj.fileno()
        key = self._map[fd] = selectors.SelectorKey(fileobj, fd, events, data)
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._map.pop(fileobj if isinstance(fileobj, int) else fileobj.fileno())

    def get_map(self) -> dict[int, selectors.SelectorKey]:  # type: ignore[override]
        return self._map

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        return []


class SimLoop(asyncio.SelectorEventLoop):
    """An event loop that starts at virtual time 0.0 and never waits. `seed` shuffles callbacks of one instant."""

    _ready: deque[asyncio.Handle]
    _stopping: bool

    def __init__(self, seed: int | None = None, *, spin_limit: int = SPIN_LIMIT) -> None:
        self._now = 0.0
        self._spins = 0
        self._spin_limit = spin_limit
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._timers_set = self._timers_cancelled = 0
        self._shuffle = None if seed is None else random.Random(seed).shuffle
        super().__init__(_Selector())

    def time(self) -> float:
        return self._now

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:  # type: ignore[override]
        raise RuntimeError(f"a thread in virtual time is not deterministic: {func!r} was sent to an executor")

    def call_soon(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        self._check_closed()  # type: ignore[attr-defined]
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_at(
        self, when: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        self._check_closed()  # type: ignore[attr-defined]
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        self._timers_set += 1
        heappush(self._timers, (when, self._timers_set, handle))
        handle._scheduled = True  # type: ignore[attr-defined]
        return handle

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """asyncio's own notice that a timer was cancelled; a count of them shows when to sweep."""
        if handle._scheduled:  # type: ignore[attr-defined]
            self._timers_cancelled += 1

    def _run_once(self) -> None:
        """One turn: move the clock, then run what is ready."""
        ready, timers = self._ready, self._timers
        if self._shuffle is not None and len(ready) > 1:
            handles = list(ready)
            self._shuffle(handles)
            ready.clear()
            ready.extend(handles)
        if self._timers_cancelled:
            self._clean()
        self._move(None if ready or self._stopping else self._next())
        end = self._now + TICK
        while timers and timers[0][0] < end:
            timer = heappop(timers)[2]
            timer._scheduled = False  # type: ignore[attr-defined]
            self._timers_cancelled -= timer._cancelled
            ready.append(timer)
        for _ in range(len(ready)):
            handle = ready.popleft()
            if not handle._cancelled:
                handle._run()

    def _next(self) -> float:
        """When the next timer is due."""
        if not self._timers:
            raise Deadlock("every task waits and nothing is scheduled to wake one")
        return self._timers[0][0]

    def _move(self, when: float | None) -> None:
        """The clock goes on to `when`, if that is later, and by a nanosecond."""
        now = self._now
        if when is not None and when > now:
            now, self._spins = when, 0
        else:
            self._spins += 1
            if self._spins > self._spin_limit:
                self._spins = 0  # whoever closes the loop has turns to cancel what spins
                raise Livelock(f"{self._spin_limit} turns at virtual time {now:.9f} s")
        later = now + TICK
        self._now = later if later > now else math.nextafter(now, math.inf)  # after a year a float has no nanoseconds

    def _clean(self) -> None:
        """Take cancelled timers out: those in front, and all of them where they are many."""
        timers = self._timers
        while timers and timers[0][2]._cancelled:
            heappop(timers)[2]._scheduled = False  # type: ignore[attr-defined]
            self._timers_cancelled -= 1
        if self._timers_cancelled > FEW and 2 * self._timers_cancelled > len(timers):
            self._sweep()

    def _sweep(self) -> None:
        """Take the cancelled timers out."""
        for _, _, handle in self._timers:
            if handle._cancelled:
                handle._scheduled = False  # type: ignore[attr-defined]
        self._timers[:] = [timer for timer in self._timers if timer[2]._scheduled]  # type: ignore[attr-defined]
        heapify(self._timers)
        self._timers_cancelled = 0


def run(main: Coroutine[Any, Any, T], *, seed: int | None = None, spin_limit: int = SPIN_LIMIT) -> T:
    """The result of `main`, run in virtual time from 0.0. Raises Deadlock or Livelock where a real program would hang."""
    with asyncio.Runner(loop_factory=lambda: SimLoop(seed, spin_limit=spin_limit)) as runner:
        return runner.run(main)
