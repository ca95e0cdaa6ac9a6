"""Notebook: the numbers and places of what is noted (calls, ordinals, snapshots), over a Writer.

Ordinals count equal questions: the third call that asks the same is number 2 of its key. That is how a replay tells them apart
whatever else happens between them.
"""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any, Final

import msgspec

from backstay.ports import World
from backstay.replay.delta import apply, delta_of
from backstay.replay.entry import Began, Noted, Snapshot, Tick, ToolRun
from backstay.replay.form import asked
from backstay.replay.journal import Journal
from backstay.replay.run import sha_of, state_of
from backstay.replay.writer import Writer
from backstay.service import Call

WHOLE_EVERY: Final = 50
"""Every so many snapshots one is written whole, so that reading one never needs more than these deltas."""


class Notebook:
    """Notes of one run. Usable from any thread."""

    def __init__(self, writer: Writer, *, started_ns: int) -> None:
        self.writer = writer
        self._started_ns = started_ns
        self._lock = threading.Lock()
        self._calls = 0
        self._ordinals: Counter[str] = Counter()
        self._state: Any = None
        self._snapshots = 0

    def at(self, world: World) -> float:
        """Seconds since the run began."""
        return (world.clock.wall_ns() - self._started_ns) / 1e9

    def add(self, entry: Noted) -> None:
        """Write one entry."""
        self.writer.add(entry)

    def begin(self, call: Call, *, tick: int | None, world: World) -> Began:
        """Number `call` and write that it began."""
        question = asked(call)
        with self._lock:
            began = Began(
                call=self._calls,
                key=question.key,
                ordinal=self._ordinals[question.key],
                request=msgspec.Raw(question.form),
                id=call.request.id,
                task=call.request.metadata.task,
                tick=tick,
                at=self.at(world),
            )
            self._calls += 1
            self._ordinals[question.key] += 1
            self.add(began)
        return began

    def ordinal(self, key: str) -> int:
        """The next place among what has the key `key`."""
        with self._lock:
            self._ordinals[key] += 1
            return self._ordinals[key] - 1

    def tick(self, number: int, world: World) -> None:
        """Write that a frame begins."""
        self.add(Tick(tick=number, at=self.at(world)))

    def snapshot(self, form: bytes, *, tick: int | None) -> str:
        """Write a state, whole or as what changed; its hash."""
        sha256, state = sha_of(form), msgspec.json.decode(form)
        with self._lock:
            if self._snapshots % WHOLE_EVERY == 0:
                entry = Snapshot(sha256=sha256, tick=tick, state=msgspec.Raw(form))
            else:
                entry = Snapshot(sha256=sha256, tick=tick, delta=delta_of(self._state, state))
            self.add(entry)
            self._state = state
            self._snapshots += 1
        return sha256

    def adopt(self, journal: Journal) -> None:
        """Write all of `journal` first, and count on from there."""
        for entry in journal.entries:
            if isinstance(entry, Began):
                self._calls = max(self._calls, entry.call + 1)
            if isinstance(entry, (Began, ToolRun)):
                self._ordinals[entry.key] += 1
            if isinstance(entry, Snapshot):
                self._state = state_at(self._state, entry)
                self._snapshots += 1
            self.add(entry)


def state_at(before: Any, snapshot: Snapshot) -> Any:
    """The state in `snapshot`, where `before` is the one in the snapshot before it. Raises ValueError where its hash is wrong."""
    if whole := bytes(snapshot.state):
        state = msgspec.json.decode(whole)
    elif snapshot.delta is not None:
        state = apply(snapshot.delta, before)
    else:
        raise ValueError("a snapshot holds neither a state nor a change")
    if sha_of(state_of(state)) != snapshot.sha256:
        raise ValueError("a snapshot's state does not have the hash that was noted")
    return state
