"""Recording: a run that is noted in a journal while it is lived.

What is noted: model calls with their events and errors, tools' results, random draws, ids, ticks, snapshots, and clock reads
where `has_clock` asks for them. A client made before or inside the `with` is recorded alike. The journal is finished when the
`with` is left, by an exception too; after a kill it ends where the run did.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, Self

from backstay.ports import Clock, Ids, Random, World
from backstay.replay.entry import ClockRead, Draw, Header, Made
from backstay.replay.notebook import Notebook
from backstay.replay.run import Booking, EnteredRun, ToolAsked, state_of
from backstay.replay.tooling import ToolNoting
from backstay.replay.watch import watched
from backstay.replay.writer import Writer
from backstay.service import Call, Reply, Service


class Recording(EnteredRun):
    """The run to enter: `with record(path) as run`, or `async with`."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        world: World | None = None,
        has_clock: bool = False,
        overwrite: bool = False,
        facts: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(world)
        self._path = path
        self._has_clock = has_clock
        self._overwrite = overwrite
        self._facts = dict(facts or {})
        self._notebook: Notebook | None = None

    @property
    def notebook(self) -> Notebook:
        """Where the notes go. Raises RuntimeError before the run was entered."""
        if self._notebook is None:
            raise RuntimeError("the recording has not begun: enter it with `with`")
        return self._notebook

    def begin(self) -> Self:
        """Open the journal and write its header. `__enter__` does it; a run of a whole process does it by itself."""
        if self._notebook is not None:
            raise RuntimeError("a recording is entered once: make another one for another run")
        started_ns = self.base.clock.wall_ns()
        writer = Writer(self._path, overwrite=self._overwrite)
        writer.add(
            Header(library=library(), started_ns=started_ns, has_clock=self._has_clock, facts=self._facts),
        )
        self._notebook = Notebook(writer, started_ns=started_ns)
        return self

    def finish(self, outcome: str = "complete") -> None:
        """Write the last line. Raises JournalFailed where not all could be written. Idempotent."""
        writer = self.notebook.writer
        writer.close(outcome)

    def abandon(self) -> None:
        """End the recording and leave no journal of it; one that it would have replaced stays."""
        self.notebook.writer.discard()

    def tick(self, number: int) -> None:
        super().tick(number)
        self.notebook.tick(number, self.base)

    def random(self, system: str, name: str = "") -> float:
        value = super().random(system, name)
        self.notebook.add(Draw(system=system, name=name, value=value, tick=self.now))
        return value

    def snapshot(self, state: Any) -> str:
        return self.notebook.snapshot(state_of(state), tick=self.now)

    async def run_tool(self, tool: ToolAsked) -> Any:
        return await ToolNoting(self.notebook, self.base, tick=self.now).run(tool)

    async def answer(self, call: Call, inner: Service, world: World, booking: Booking | None) -> Reply:
        return await watched(call, inner, notebook=self.notebook, tick=self.now, world=world)

    def around(self, world: World) -> World:
        return noted_world(self.notebook, world, has_clock=self._has_clock, tick=lambda: self.now)


def noted_world(notebook: Notebook, world: World, *, has_clock: bool, tick: Callable[[], int | None]) -> World:
    """`world` with ids and random numbers, and a clock by choice, that are noted."""
    return World(
        clock=_Clock(notebook, world.clock) if has_clock else world.clock,
        rng=_Random(notebook, world.rng, tick),
        ids=_Ids(notebook, world.ids),
        sleep=world.sleep,
    )


class _Clock:
    def __init__(self, notebook: Notebook, inner: Clock) -> None:
        self._notebook = notebook
        self._inner = inner

    def monotonic(self) -> float:
        value = self._inner.monotonic()
        self._notebook.add(ClockRead(clock="monotonic", value=value))
        return value

    def wall_ns(self) -> int:
        value = self._inner.wall_ns()
        self._notebook.add(ClockRead(clock="wall", value=value))
        return value


class _Random:
    def __init__(self, notebook: Notebook, inner: Random, tick: Callable[[], int | None]) -> None:
        self._notebook = notebook
        self._inner = inner
        self._tick = tick

    def random(self) -> float:
        value = self._inner.random()
        self._notebook.add(Draw(system="world", name="random", value=value, tick=self._tick()))
        return value


class _Ids:
    def __init__(self, notebook: Notebook, inner: Ids) -> None:
        self._notebook = notebook
        self._inner = inner

    def new(self) -> str:
        value = self._inner.new()
        self._notebook.add(Made(value=value))
        return value


def library() -> str:
    """The library's name and version, for a journal's header."""
    from importlib.metadata import version

    return f"backstay {version('backstay')}"
