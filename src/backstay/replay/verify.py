"""Verify: whether a journal, whose lines hold together, also makes sense: order, numbers, hashes of questions and of states.

Whoever reads it has refused what was changed. This finds what a faulty writer would make: calls that end twice, ordinals with a
gap, ticks that go back, states that do not have their hash. One pass; memory holds a state and the calls that are under way.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from backstay.canonical import digest
from backstay.replay.entry import Began, Chunk, Draw, Noted, Snapshot, Tick, ToolRun
from backstay.replay.fault import JournalDamaged
from backstay.replay.notebook import state_at
from backstay.replay.reading import Source
from backstay.replay.run import tool_key
from backstay.replay.tally import Tally
from backstay.replay.under_way import ENDINGS, UnderWay

MOST_FAULTS: Final = 1_000


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """`faults`: what must not be, the first 1,000. `notes`: what may be, and matters to whoever replays it."""

    faults: tuple[str, ...]
    notes: tuple[str, ...]
    entries: int = 0

    @property
    def is_good(self) -> bool:
        """True where a replay can rely on all of the journal."""
        return not self.faults


def verify(source: Source) -> Verdict:
    """What is wrong with a journal, and what is to be known of it. Raises JournalDamaged where its lines do not hold together."""
    faults: list[str] = []
    count = 0
    with Tally() as ordinals:
        check = _Check(ordinals)
        for entry in source.entries:
            for fault in check.faults(entry, count):
                if len(faults) < MOST_FAULTS:
                    faults.append(fault)
            count += 1
    return Verdict(faults=tuple(faults), notes=tuple(_notes(source, check.open_calls)), entries=count)


class _Check:
    def __init__(self, ordinals: Tally) -> None:
        self._ordinals = ordinals
        self._calls: UnderWay[None] = UnderWay()
        self._tick: int | None = None
        self._state: Any = None
        self._has_state = True

    @property
    def open_calls(self) -> int:
        return len(self._calls)

    def faults(self, entry: Noted, place: int) -> Iterator[str]:
        if isinstance(entry, (Began, Chunk, *ENDINGS)):
            yield from self._call(entry, place)
        elif isinstance(entry, ToolRun):
            if tool_key(entry.name, bytes(entry.arguments)) != entry.key:
                yield f"tool {entry.name}: its key is not that of its arguments"
        elif isinstance(entry, Tick):
            if self._tick is not None and entry.tick <= self._tick:
                yield f"tick {entry.tick} comes after tick {self._tick}"
            self._tick = entry.tick
        elif isinstance(entry, Draw):
            if not 0 <= entry.value < 1:
                yield f"draw {entry.system}/{entry.name}: {entry.value} is not in [0, 1)"
        elif isinstance(entry, Snapshot):
            yield from self._snapshot(entry)

    def _call(self, entry: Any, place: int) -> Iterator[str]:
        try:
            if not isinstance(entry, Began):
                self._calls.of(entry, place)
                return
            self._calls.begin(entry, None, place)
        except JournalDamaged as error:
            yield f"line {error.line}: {error.message}"
        if isinstance(entry, Began):
            yield from self._question(entry)

    def _question(self, began: Began) -> Iterator[str]:
        form = bytes(began.request)
        if b'"sha256:' not in form and digest("call", form) != began.key:
            yield f"call {began.call}: its key is not that of its request"
        before = self._ordinals.add(began.key.encode()) - 1
        if began.ordinal != before:
            yield f"call {began.call}: it is number {began.ordinal} of its kind, and {before} stand before it"

    def _snapshot(self, snapshot: Snapshot) -> Iterator[str]:
        """Each state is made from the one before it, so after one that is wrong nothing can be said of the next ones."""
        if self._has_state:
            try:
                self._state = state_at(self._state, snapshot)
            except ValueError as error:
                self._has_state = False
                yield f"snapshot of tick {snapshot.tick}: {error}"


def _notes(source: Source, open_calls: int) -> Iterator[str]:
    if source.end is None:
        lost = f", {source.cut_bytes} bytes of a line are lost" if source.cut_bytes else ""
        yield f"it has no end: the recording was cut off{lost}"
    elif source.end.outcome != "complete":
        yield f"the program left with {source.end.outcome}"
    if open_calls:
        yield f"{open_calls} calls have no end: they were under way when the recording ended"
