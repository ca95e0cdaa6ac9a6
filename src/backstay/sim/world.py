"""The virtual world: a clock that reads the event loop's time, seeded random numbers, counted ids.

The wall clock is an epoch plus the loop's time; a test may move it (`SimClock.step`), because real wall clocks jump.
"""

from __future__ import annotations

import asyncio
import random

from backstay.ports import World

EPOCH = 1_772_366_400
"""1 March 2026, 12:00 UTC: a fixed start, so that one seed gives one trace."""


class SimClock:
    """Time as the running loop tells it; 0.0 outside a loop."""

    def __init__(self, epoch: float = EPOCH) -> None:
        self._epoch_ns = round(epoch * 1e9)

    def monotonic(self) -> float:
        loop = asyncio._get_running_loop()
        return 0.0 if loop is None else loop.time()

    def wall_ns(self) -> int:
        return self._epoch_ns + round(self.monotonic() * 1e9)

    def step(self, seconds: float) -> None:
        """Move the wall clock, and only it, by `seconds`."""
        self._epoch_ns += round(seconds * 1e9)


class BoundClock(SimClock):
    """The clock of one loop, read without asking which loop runs: a long simulation reads it thirty times a call."""

    def __init__(self, loop: asyncio.AbstractEventLoop, epoch: float = EPOCH) -> None:
        super().__init__(epoch)
        self.monotonic = loop.time  # type: ignore[method-assign]


class SimIds:
    """Ids 1, 2, 3 ... with a prefix, so that a trace can be read."""

    def __init__(self, prefix: str = "sim") -> None:
        self._prefix = prefix
        self._last = 0

    def new(self) -> str:
        self._last += 1
        return f"{self._prefix}-{self._last:08d}"


def sim_world(seed: int = 0, *, epoch: float = EPOCH) -> World:
    """A World for one simulation: one seed, one sequence of draws and ids. The wall clock begins at `epoch` (Unix seconds).

    Made inside a running loop, it is that loop's world and no other's.
    """
    loop = asyncio._get_running_loop()
    clock = SimClock(epoch) if loop is None else BoundClock(loop, epoch)
    return World(clock=clock, rng=random.Random(seed), ids=SimIds(), sleep=asyncio.sleep)
