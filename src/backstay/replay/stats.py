"""Stats: what a recorded run asked, what it cost and how long it took, by task, by tick or by model. One pass, sums only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Final

import msgspec

from backstay.replay.entry import Answered, Began, Draw, Dropped, Failed, Noted, Snapshot, Tick, ToolRun
from backstay.replay.reading import Source
from backstay.replay.under_way import ENDINGS, Ending, UnderWay

KEYS: Final[dict[str, Callable[[Began], str]]] = {
    "task": lambda began: began.task or "-",
    "tick": lambda began: "-" if began.tick is None else str(began.tick),
    "model": lambda began: msgspec.json.decode(bytes(began.request)).get("model", "-"),
}
"""What calls can be summed by."""

COUNT: Final = b'"kind":"CountQuestion"'
"""Stands in a request for a count of tokens (`answer.py`), and in no text of another, whose quotes are escaped. It is free."""


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One group of calls. `cost_nano_usd` leaves out the `unpriced` ones; `seconds` is the mean time to the end of a call."""

    group: str
    calls: int
    failed: int
    dropped: int
    input_tokens: int
    output_tokens: int
    cost_nano_usd: int
    unpriced: int
    seconds: float | None


class Stats(msgspec.Struct, frozen=True, kw_only=True):
    """A run in figures; `draws` and `tools` count by system and by name."""

    lines: tuple[Line, ...]
    total: Line
    ticks: int
    snapshots: int
    draws: dict[str, int]
    tools: dict[str, int]


def stats(source: Source, by: str = "task") -> Stats:
    """The figures of a journal, its calls grouped by one of `KEYS`. Raises JournalDamaged."""
    counting = _Counting(KEYS[by])
    for place, entry in enumerate(source.entries):
        counting.see(entry, place)
    return Stats(
        lines=tuple(one.line(group) for group, one in counting.groups.items()),
        total=counting.total.line("all"),
        ticks=counting.kinds[Tick],
        snapshots=counting.kinds[Snapshot],
        draws=dict(counting.draws),
        tools=dict(counting.tools),
    )


class _Sum:
    """One group while it is counted."""

    def __init__(self) -> None:
        self.calls = self.failed = self.dropped = self.input_tokens = self.output_tokens = 0
        self.cost = self.unpriced = self.ended = 0
        self.seconds = 0.0

    def end(self, entry: Ending, *, is_count: bool) -> None:
        self.ended += 1
        self.seconds += entry.after
        self.failed += isinstance(entry, Failed)
        self.dropped += isinstance(entry, Dropped)
        if isinstance(entry, Answered) and not is_count:
            answer = entry.answer
            self.input_tokens += answer.usage.input_tokens or 0
            self.output_tokens += answer.usage.output_tokens or 0
            self.unpriced += answer.cost is None
            self.cost += 0 if answer.cost is None else answer.cost.nano_usd

    def line(self, group: str) -> Line:
        return Line(
            group=group,
            calls=self.calls,
            failed=self.failed,
            dropped=self.dropped,
            input_tokens=self.input_tokens,
            output_tokens=self.output_tokens,
            cost_nano_usd=self.cost,
            unpriced=self.unpriced,
            seconds=self.seconds / self.ended if self.ended else None,
        )


class _Counting:
    def __init__(self, key: Callable[[Began], str]) -> None:
        self._key = key
        self._calls: UnderWay[tuple[_Sum, bool]] = UnderWay()
        self.groups: dict[str, _Sum] = {}
        self.total = _Sum()
        self.kinds: Counter[type[Noted]] = Counter()
        self.draws: Counter[str] = Counter()
        self.tools: Counter[str] = Counter()

    def see(self, entry: Noted, place: int) -> None:
        self.kinds[type(entry)] += 1
        if isinstance(entry, Began):
            group = self.groups.setdefault(self._key(entry), _Sum())
            self._calls.begin(entry, (group, COUNT in bytes(entry.request)), place)
            group.calls += 1
            self.total.calls += 1
        elif isinstance(entry, ENDINGS):
            group, is_count = self._calls.of(entry, place)
            group.end(entry, is_count=is_count)
            self.total.end(entry, is_count=is_count)
        elif isinstance(entry, Draw):
            self.draws[entry.system] += 1
        elif isinstance(entry, ToolRun):
            self.tools[entry.name] += 1
