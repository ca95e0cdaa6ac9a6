"""Given: a world whose ids, random numbers and clock readings come from a journal, while there are any.

Ids and clock readings never make a divergence: a program that makes one more id than before goes on with a new one, and is found
at the call that it makes with it, where the difference can be told.
"""

from __future__ import annotations

from backstay.ports import Clock, Ids, World
from backstay.replay.entry import ClockRead, Made
from backstay.replay.index import Index
from backstay.replay.patch import Patch
from backstay.replay.run import Run


def given_world(index: Index, patch: Patch | None, world: World, *, run: Run) -> World:
    """`world` with the ids, random numbers and clock of the journal behind `index`; what is new goes to `patch`."""
    return World(
        clock=_Clock(index, patch, world.clock), rng=_Random(run), ids=_Ids(index, patch, world.ids), sleep=world.sleep
    )


class _Random:
    """Draws as the system "world" of the run, and diverges as it does."""

    def __init__(self, run: Run) -> None:
        self._run = run

    def random(self) -> float:
        return self._run.random("world", "random")


class _Ids:
    def __init__(self, index: Index, patch: Patch | None, inner: Ids) -> None:
        self._index = index
        self._patch = patch
        self._inner = inner

    def new(self) -> str:
        if self._index.ids:
            return self._index.ids.popleft()
        value = self._inner.new()
        if self._patch is not None:
            self._patch.add(Made(value=value))
        return value


class _Clock:
    """Readings of the journal; of the inner clock where none were recorded, or no more."""

    def __init__(self, index: Index, patch: Patch | None, inner: Clock) -> None:
        self._index = index
        self._patch = patch
        self._inner = inner

    def monotonic(self) -> float:
        recorded = self._index.take_clock("monotonic")
        if recorded is not None:
            return float(recorded.value)
        value = self._inner.monotonic()
        self._note(ClockRead(clock="monotonic", value=value))
        return value

    def wall_ns(self) -> int:
        recorded = self._index.take_clock("wall")
        if recorded is not None:
            return int(recorded.value)
        value = self._inner.wall_ns()
        self._note(ClockRead(clock="wall", value=value))
        return value

    def _note(self, read: ClockRead) -> None:
        if self._patch is not None and self._patch.has_clock:
            self._patch.add(read)
