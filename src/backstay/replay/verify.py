"""Verify: whether a journal, whose lines hold together, also makes sense: order, numbers, hashes of questions and of states.

`read_journal` has refused what was changed. This finds what a faulty writer would make: calls that end twice, ordinals with a
gap, ticks that go back, states that do not have their hash.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec

from backstay.canonical import digest
from backstay.replay.entry import Began, Draw, Snapshot, Tick, ToolRun
from backstay.replay.fault import JournalDamaged
from backstay.replay.journal import Journal
from backstay.replay.notebook import state_at
from backstay.replay.run import tool_key


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """`faults`: what must not be. `notes`: what may be, and matters to whoever replays it."""

    faults: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def is_good(self) -> bool:
        """True where a replay can rely on all of the journal."""
        return not self.faults


def verify(journal: Journal) -> Verdict:
    """What is wrong with `journal`, and what is to be known of it."""
    faults = [*_call_faults(journal), *_order_faults(journal), *_state_faults(journal)]
    return Verdict(faults=tuple(faults), notes=tuple(_notes(journal)))


def _call_faults(journal: Journal) -> Iterator[str]:
    try:
        journal.calls()
    except JournalDamaged as error:
        yield f"line {error.line}: {error.message}"
    for call in journal.of(Began):
        form = bytes(call.request)
        if b'"sha256:' not in form and digest("call", form) != call.key:
            yield f"call {call.call}: its key is not that of its request"
    for tool in journal.of(ToolRun):
        if tool_key(tool.name, bytes(tool.arguments)) != tool.key:
            yield f"tool {tool.name}: its key is not that of its arguments"


def _order_faults(journal: Journal) -> Iterator[str]:
    ordinals: Counter[str] = Counter()
    last: int | None = None
    for entry in journal.entries:
        if isinstance(entry, Began):
            if entry.ordinal != ordinals[entry.key]:
                yield f"call {entry.call}: it is number {entry.ordinal} of its kind, and {ordinals[entry.key]} stand before it"
            ordinals[entry.key] += 1
        elif isinstance(entry, Tick):
            if last is not None and entry.tick <= last:
                yield f"tick {entry.tick} comes after tick {last}"
            last = entry.tick
        elif isinstance(entry, Draw) and not 0 <= entry.value < 1:
            yield f"draw {entry.system}/{entry.name}: {entry.value} is not in [0, 1)"


def _state_faults(journal: Journal) -> Iterator[str]:
    state: Any = None
    for snapshot in journal.of(Snapshot):
        try:
            state = state_at(state, snapshot)
        except ValueError as error:
            yield f"snapshot of tick {snapshot.tick}: {error}"
            return


def _notes(journal: Journal) -> Iterator[str]:
    if journal.end is None:
        lost = f", {journal.cut_bytes} bytes of a line are lost" if journal.cut_bytes else ""
        yield f"it has no end: the recording was cut off{lost}"
    elif journal.end.outcome != "complete":
        yield f"the program left with {journal.end.outcome}"
    try:
        open_calls = sum(call.end is None for call in journal.calls().values())
    except JournalDamaged:
        return
    if open_calls:
        yield f"{open_calls} calls have no end: they were under way when the recording ended"
