"""Index: what was recorded, to be found by what is asked for: by the hash of a question and how often it was asked before.

Nothing here depends on the global order of the journal, because a concurrent program asks in another order each time. Draws
are found by the part of the program that draws, ticks and snapshots by their own order.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from typing import Final, TypeVar

from backstay.canonical import FieldChange
from backstay.replay.entry import Began, ClockRead, Draw, Made, Snapshot, Tick, ToolRun
from backstay.replay.form import Asked, changes
from backstay.replay.journal import Journal, Recorded

T = TypeVar("T")

MOST_COMPARED: Final = 400
"""Recorded calls that are compared with one that was not found; those of its task and tick first."""


class Index:
    """What is left of a journal in a replay."""

    def __init__(self, journal: Journal) -> None:
        self._calls: defaultdict[str, deque[Recorded]] = defaultdict(deque)
        for call in journal.calls().values():
            self._calls[call.began.key].append(call)
        self._tools: defaultdict[str, deque[ToolRun]] = defaultdict(deque)
        for tool in journal.of(ToolRun):
            self._tools[tool.key].append(tool)
        self._draws: defaultdict[tuple[str, str], deque[Draw]] = defaultdict(deque)
        for draw in journal.of(Draw):
            self._draws[draw.system, draw.name].append(draw)
        self._clocks: defaultdict[str, deque[ClockRead]] = defaultdict(deque)
        for read in journal.of(ClockRead):
            self._clocks[read.clock].append(read)
        self.ids = deque(entry.value for entry in journal.of(Made))
        self.ticks: deque[Tick] = deque(journal.of(Tick))
        self.snapshots: deque[Snapshot] = deque(journal.of(Snapshot))

    def take_call(self, key: str) -> Recorded | None:
        """The next recorded call with this key."""
        return _next(self._calls.get(key))

    def take_tool(self, key: str) -> ToolRun | None:
        """The next recorded run of a tool with this key."""
        return _next(self._tools.get(key))

    def take_draw(self, system: str, name: str) -> Draw | None:
        """The next recorded draw of this part of the program."""
        return _next(self._draws.get((system, name)))

    def take_clock(self, clock: str) -> ClockRead | None:
        """The next recorded reading of this clock."""
        return _next(self._clocks.get(clock))

    def was_asked(self, key: str) -> bool:
        """True where calls with this key were recorded, and all are used up."""
        return key in self._calls

    def tools(self, name: str) -> list[ToolRun]:
        """The runs of one tool that are left."""
        return [run for runs in self._tools.values() for run in runs if run.name == name]

    def nearest(
        self, question: Asked, *, task: str | None, tick: int | None
    ) -> tuple[Began, tuple[FieldChange, ...]] | None:
        """The unused call that differs least from `question`, and in what."""
        left = [call.began for calls in self._calls.values() for call in calls]
        left.sort(key=lambda began: (began.task != task, began.tick != tick, began.call))
        compared = ((began, changes(bytes(began.request), question.form)) for began in left[:MOST_COMPARED])
        return min(compared, key=lambda pair: _distance(pair[1]), default=None)

    def unused(self, live_tasks: Iterable[str] = ()) -> Iterator[str]:
        """One sentence for each thing that was recorded and not asked for. Ids and clock readings are not counted."""
        live = {*live_tasks}
        for call in (call.began for calls in self._calls.values() for call in calls):
            if call.task not in live:
                yield f"call {call.call}{_in(call.tick)}: {_gist(bytes(call.request))}"
        for run in (run for runs in self._tools.values() for run in runs):
            yield f"tool {run.name}{_in(run.tick)}: {_gist(bytes(run.arguments))}"
        for draw in (draw for draws in self._draws.values() for draw in draws):
            yield f"draw {draw.system}/{draw.name}{_in(draw.tick)}"
        yield from (f"tick {tick.tick}" for tick in self.ticks)
        yield from (f"snapshot{_in(snapshot.tick)}" for snapshot in self.snapshots)


def _next(line: deque[T] | None) -> T | None:
    return line.popleft() if line else None


def _distance(found: tuple[FieldChange, ...]) -> tuple[int, int]:
    """Fewer fields are nearer; among equals, those whose values differ less in length."""
    return len(found), sum(abs(len(str(change.old)) - len(str(change.new))) for change in found)


def _in(tick: int | None) -> str:
    return "" if tick is None else f" in tick {tick}"


def _gist(form: bytes, width: int = 100) -> str:
    text = form.decode()
    return text if len(text) <= width else f"{text[: width - 3]}..."
