"""Ports: everything the library reads from the world, so that a test, a replay and a simulator can put another world there.

A `World` is four small objects: a clock, a source of random numbers, a maker of ids and a way to sleep. The adapters in this
file are the only code of the library that calls `time`, `random`, `secrets` or `asyncio.sleep`.

Two clocks are told apart on purpose. Durations and deadlines are measured on `monotonic()`, which is the running event loop's
own clock, so a loop with virtual time gives virtual deadlines. Timestamps are read from `wall()`, which may jump.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from asyncio import _get_running_loop
from typing import Final, Protocol

import msgspec


class Clock(Protocol):
    """Reads time. `monotonic()`: seconds that never go back. `wall_ns()`: Unix time in nanoseconds, which may jump."""

    def monotonic(self) -> float: ...
    def wall_ns(self) -> int: ...


class Random(Protocol):
    """Draws a float in [0, 1)."""

    def random(self) -> float: ...


class Ids(Protocol):
    """Makes ids that are unique, sort by time and are safe in a file name."""

    def new(self) -> str: ...


class Sleep(Protocol):
    """Waits, and can be cancelled while it does."""

    async def __call__(self, delay: float, /) -> None: ...


class SystemClock:
    """The machine's clocks; inside an event loop, that loop's own monotonic clock."""

    def monotonic(self) -> float:
        loop = _get_running_loop()
        return time.monotonic() if loop is None else loop.time()

    def wall_ns(self) -> int:
        return time.time_ns()


class SystemRandom:
    """A generator of its own, seeded by the operating system, and by nothing else in the process."""

    def __init__(self) -> None:
        self._random = random.Random()
        self.random = self._random.random


RANDOM_BITS: Final = 0x0FFF_3FFF_FFFF_FFFF_FFFF
VERSION_BITS: Final = 0x7000_8000_0000_0000_0000
"""Of the last 80 bits of a UUID of version 7: those that are drawn, and those that say its version and variant."""


class TimeOrderedIds:
    """UUID version 7 (RFC 9562 section 5.7) as 32 hex digits: 48 bits of Unix milliseconds, then 74 random bits."""

    def new(self) -> str:
        milliseconds = time.time_ns() // 1_000_000 & 0xFFFFFFFFFFFF
        tail = int.from_bytes(os.urandom(10), "big") & RANDOM_BITS | VERSION_BITS
        return f"{milliseconds << 80 | tail:032x}"


def blocking_sleep(delay: float) -> None:
    """Block this thread for `delay` seconds: for functions that are not async."""
    time.sleep(delay)


class World(msgspec.Struct, frozen=True, kw_only=True):
    """The four ports together. `World.real()` is the machine; `backstay.sim` makes virtual ones."""

    clock: Clock
    rng: Random
    ids: Ids
    sleep: Sleep

    @classmethod
    def real(cls) -> World:
        """The machine's own clock, random numbers, ids and sleep."""
        return cls(clock=SystemClock(), rng=SystemRandom(), ids=TimeOrderedIds(), sleep=asyncio.sleep)
