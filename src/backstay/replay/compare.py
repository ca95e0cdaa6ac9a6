"""Compare: two recorded runs, tick by tick, to the first decision in which they differ.

A decision is a random draw, a question to a model, its answer, a tool's result, a state. Within a tick the order of concurrent
calls is no decision, nor are times, ids and token counts: two recordings of one program are equal if the program went the same
way.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest
from typing import Any

import msgspec

from backstay.canonical import ABSENT, FieldChange, difference
from backstay.replay.entry import Answered, Draw, Failed, Snapshot, Tick, ToolRun
from backstay.replay.journal import Journal, Recorded
from backstay.replay.notebook import state_at
from backstay.replay.run import state_of


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One decision that differs: in which tick (None: outside of ticks), of what kind, which one, and in which fields."""

    tick: int | None
    kind: str
    what: str
    changes: tuple[FieldChange, ...]

    def __str__(self) -> str:
        where = "before the first tick" if self.tick is None else f"tick {self.tick}"
        return "\n".join([f"{where}: {self.kind} {self.what}", *(f"  {change}" for change in self.changes)])


class _Frame:
    """What was decided in one tick: draws, tools and states by kind and name, and calls by what they ask."""

    def __init__(self) -> None:
        self.decisions: dict[tuple[str, str], Any] = {}
        self.calls: list[tuple[bytes, Any]] = []

    def add(self, kind: str, what: str, value: Any) -> None:
        """One more decision; the number tells those of one name apart."""
        number = sum(name == kind and about.startswith(f"{what} #") for name, about in self.decisions)
        self.decisions[kind, f"{what} #{number}"] = value


def compare(one: Journal, other: Journal) -> list[Difference]:
    """The decisions that differ in the first tick that differs; empty where both runs went the same way."""
    left, right = _frames(one), _frames(other)
    for tick in sorted({*left, *right}, key=lambda tick: (tick is not None, tick or 0)):
        found = list(_between(tick, left.get(tick, _Frame()), right.get(tick, _Frame())))
        if found:
            return found
    return []


def _between(tick: int | None, left: _Frame, right: _Frame) -> Iterator[Difference]:
    for kind, what in dict.fromkeys([*left.decisions, *right.decisions]):
        sides = [frame.decisions.get((kind, what), ABSENT) for frame in (left, right)]
        yield from _differing(tick, kind, what, *sides)
    rest = list(right.calls)
    unmatched: list[tuple[bytes, Any]] = []
    for form, outcome in left.calls:
        place = next((place for place, (other, _) in enumerate(rest) if other == form), None)
        if place is None:
            unmatched.append((form, outcome))
        else:
            yield from _differing(tick, "answer", f"to {gist_of(form)}", outcome, rest.pop(place)[1])
    for one, other in zip_longest(unmatched, rest):
        shown = [ABSENT if call is None else msgspec.json.decode(call[0]) for call in (one, other)]
        yield from _differing(tick, "question", gist_of((one or other)[0]), *shown)


def _differing(tick: int | None, kind: str, what: str, one: Any, other: Any) -> Iterator[Difference]:
    if one is ABSENT or other is ABSENT:
        yield Difference(tick=tick, kind=kind, what=what, changes=(FieldChange("all of it", one, other),))
        return
    found = difference(msgspec.json.encode([one]), msgspec.json.encode([other]))
    if found:
        yield Difference(tick=tick, kind=kind, what=what, changes=tuple(_plain(change) for change in found))


def gist_of(form: bytes) -> str:
    """The end of a question's text: where questions of one program differ."""
    asked = msgspec.json.decode(form)
    texts = [part.get("text", "") for message in asked.get("messages", []) for part in message.get("parts", [])]
    text = " ".join(" ".join(text for text in texts if isinstance(text, str)).split())
    return repr(text if len(text) <= 60 else f"...{text[-57:]}")


def _plain(change: FieldChange) -> FieldChange:
    return FieldChange(change.path.removeprefix("[0]").removeprefix(".") or "value", change.old, change.new)


def _frames(journal: Journal) -> dict[int | None, _Frame]:
    frames: dict[int | None, _Frame] = {}

    def frame(tick: int | None) -> _Frame:
        return frames.setdefault(tick, _Frame())

    for tick in journal.of(Tick):
        frame(tick.tick)
    for draw in journal.of(Draw):
        frame(draw.tick).add("draw", f"{draw.system}/{draw.name}", draw.value)
    for call in journal.calls().values():
        frame(call.began.tick).calls.append((bytes(call.began.request), _outcome(call)))
    for tool in journal.of(ToolRun):
        result = msgspec.to_builtins(tool.failure) if tool.failure else msgspec.json.decode(bytes(tool.result))
        frame(tool.tick).add(
            "tool", tool.name, {"arguments": msgspec.json.decode(bytes(tool.arguments)), "result": result}
        )
    _add_states(journal, frame)
    return frames


def _outcome(call: Recorded) -> Any:
    end = call.end
    if isinstance(end, Answered):
        return {"parts": msgspec.to_builtins(end.answer.parts), "finish_reason": end.answer.finish_reason}
    if isinstance(end, Failed):
        return {"error": end.failure.kind, "arguments": list(end.failure.args)}
    return "left by the program" if end is not None else "cut off"


def _add_states(journal: Journal, frame: Any) -> None:
    state: Any = None
    for snapshot in journal.of(Snapshot):
        state = state_at(state, snapshot)
        frame(snapshot.tick).add("state", "at the snapshot", msgspec.json.decode(state_of(state)))
