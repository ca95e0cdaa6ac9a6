"""SimLoop: an asyncio event loop on virtual time.

A selector loop whose selector never looks at a socket: asked to wait `timeout` seconds, it advances the clock by as much and
returns at once, so an hour of back-off costs microseconds. Three things that hang a real program are errors here: nothing is
scheduled and somebody still waits (`Deadlock`), the same instant goes on for ever (`Livelock`), and a blocking call to an
executor. With a seed, callbacks that are ready at the same instant run in a shuffled order: one seed, one order.

Each poll moves the clock by a nanosecond, because code that compares a deadline with the time of its own wake-up would
otherwise spin on a rounding error at one instant.

Source: deterministic simulation as in FoundationDB's and TigerBeetle's testing; the asyncio form is ours.
"""

from __future__ import annotations

import asyncio
import math
import random
import selectors
from collections import deque
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

TICK = 1e-9
SPIN_LIMIT = 1_000_000


class Deadlock(RuntimeError):
    """Nothing is scheduled, no callback is ready, and the main coroutine still waits."""


class Livelock(RuntimeError):
    """A million polls (`spin_limit`) without the clock moving: something reschedules itself at one instant."""


class _Selector(selectors.BaseSelector):
    """Registers what it must, reports nothing, and moves the clock instead of waiting."""

    def __init__(self, spin_limit: int) -> None:
        self._spin_limit = spin_limit
        self._map: dict[int, selectors.SelectorKey] = {}
        self.now = 0.0
        self.spins = 0

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        fd = fileobj if isinstance(fileobj, int) else fileobj.fileno()
        key = self._map[fd] = selectors.SelectorKey(fileobj, fd, events, data)
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._map.pop(fileobj if isinstance(fileobj, int) else fileobj.fileno())

    def get_map(self) -> dict[int, selectors.SelectorKey]:  # type: ignore[override]
        return self._map

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise Deadlock("every task waits and nothing is scheduled to wake one")
        if timeout > 0:
            self.now += timeout
            self.spins = 0
        else:
            self.spins += 1
            if self.spins > self._spin_limit:
                raise Livelock(f"{self._spin_limit} polls at virtual time {self.now:.9f} s")
        self.now = max(self.now + TICK, math.nextafter(self.now, math.inf))  # after a year a float has no nanoseconds
        return []


class SimLoop(asyncio.SelectorEventLoop):
    """An event loop that starts at virtual time 0.0 and never waits. `seed` shuffles callbacks of one instant."""

    _ready: deque[asyncio.Handle]

    def __init__(self, seed: int | None = None, *, spin_limit: int = SPIN_LIMIT) -> None:
        self._sim = _Selector(spin_limit)
        self._shuffle = None if seed is None else random.Random(seed).shuffle
        super().__init__(self._sim)

    def time(self) -> float:
        return self._sim.now

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:  # type: ignore[override]
        raise RuntimeError(f"a thread in virtual time is not deterministic: {func!r} was sent to an executor")

    def _run_once(self) -> None:
        if self._shuffle is not None and len(self._ready) > 1:
            handles = list(self._ready)
            self._shuffle(handles)
            self._ready.clear()
            self._ready.extend(handles)
        super()._run_once()  # type: ignore[misc]


def run(main: Coroutine[Any, Any, T], *, seed: int | None = None, spin_limit: int = SPIN_LIMIT) -> T:
    """The result of `main`, run in virtual time from 0.0. Raises Deadlock or Livelock where a real program would hang."""
    with asyncio.Runner(loop_factory=lambda: SimLoop(seed, spin_limit=spin_limit)) as runner:
        return runner.run(main)
