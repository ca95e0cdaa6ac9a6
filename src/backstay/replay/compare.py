"""Compare: two recorded runs, tick by tick, to the first decision in which they differ.

A decision is a random draw, a question to a model, its answer, a tool's result, a state. Within a tick the order of concurrent
calls and tools is no decision, nor are times, ids and token counts: two recordings of one program are equal if the program went
the same way.

Journals may be larger than memory. A first pass adds up a hash of every decision for each tick (a sum does not ask for an order);
a second one finds which decisions of the first tick that differs have no equal in the other run; only those are looked at. What
memory holds is a sum for each tick, and what differs.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from itertools import zip_longest
from typing import Any, Final, NamedTuple

import msgspec

from backstay.canonical import ABSENT, FieldChange, difference
from backstay.replay.entry import Answered, Began, Draw, Failed, Noted, Snapshot, Tick, ToolRun
from backstay.replay.notebook import state_at
from backstay.replay.reading import Source
from backstay.replay.run import state_of
from backstay.replay.tally import Tally
from backstay.replay.under_way import ENDINGS, Ending, UnderWay

HASH: Final = 16
"""Bytes of a decision's hash: no two different ones share it."""

MOST_SHOWN: Final = 1_000
"""Decisions of one tick and run that are shown; in a program without ticks all stand in one."""


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One decision that differs: in which tick (None: outside of ticks), of what kind, which one, and in which fields."""

    tick: int | None
    kind: str
    what: str
    changes: tuple[FieldChange, ...]

    def __str__(self) -> str:
        where = "before the first tick" if self.tick is None else f"tick {self.tick}"
        return "\n".join([f"{where}: {self.kind} {self.what}", *(f"  {change}" for change in self.changes)])


class _Decision(NamedTuple):
    """One decision. `name` says which one it is, `value` what came of it. A question or a tool's run is named by what it asks."""

    tick: int | None
    kind: str
    name: bytes
    value: bytes

    def hash(self) -> bytes:
        pieces = (self.kind.encode(), self.name, self.value)
        return hashlib.sha256(b"".join(b"%d:%b" % (len(piece), piece) for piece in pieces)).digest()[:HASH]


ASKING: Final = {"question": "answer", "tool": "tool"}
"""Kinds that pair by what they ask, and the word for a result that differs."""


def compare(one: Source, other: Source) -> list[Difference]:
    """The decisions that differ in the first tick that differs; empty where both runs went the same way."""
    left, right = _sums(one), _sums(other)
    differing = [tick for tick in {*left, *right} if left.get(tick, 0) != right.get(tick, 0)]
    if not differing:
        return []
    tick = min(differing, key=lambda tick: (tick is not None, tick or 0))
    with Tally() as balance:
        for source, amount in ((one, 1), (other, -1)):
            for decision in _decisions(source):
                if decision.tick == tick:
                    balance.add(decision.hash(), amount)
        sides = [_unequal(source, tick, balance) for source in (one, other)]
    return list(_between(tick, *sides))


def _sums(source: Source) -> dict[int | None, int]:
    """The hashes of the decisions of each tick, added up."""
    sums: dict[int | None, int] = {}
    for decision in _decisions(source):
        value = int.from_bytes(decision.hash(), "big")
        sums[decision.tick] = (sums.get(decision.tick, 0) + value) % (1 << 8 * HASH)
    return sums


def _unequal(source: Source, tick: int | None, balance: Tally) -> list[_Decision]:
    """The decisions of `tick` that the other run has not, or not so often; states as they are, in place of their hashes."""
    found: list[_Decision] = []
    for decision in _decisions(source, has_states=True):
        if decision.tick != tick or len(found) >= MOST_SHOWN:
            continue
        plain = decision if decision.kind != "state" else decision._replace(value=_hash_of_state(decision.value))
        if balance.of(plain.hash()):
            found.append(decision)
    return found


def _between(tick: int | None, left: list[_Decision], right: list[_Decision]) -> Iterator[Difference]:
    for kind in dict.fromkeys(decision.kind for decision in (*left, *right)):
        sides = [[decision for decision in side if decision.kind == kind] for side in (left, right)]
        for one, other in _paired(*sides, is_asking=kind in ASKING):
            yield from _differing(tick, kind, one, other)


def _paired(
    left: list[_Decision], right: list[_Decision], *, is_asking: bool
) -> Iterator[tuple[_Decision | None, _Decision | None]]:
    """Those of one name; of what is left, questions as they come, because a question that changed has another name."""
    rest = list(right)
    single: list[_Decision] = []
    for one in left:
        place = next((place for place, other in enumerate(rest) if other.name == one.name), None)
        if place is None:
            single.append(one)
        else:
            yield one, rest.pop(place)
    if is_asking:
        yield from zip_longest(single, rest)
    else:
        yield from ((one, None) for one in single)
        yield from ((None, other) for other in rest)


def _differing(tick: int | None, kind: str, one: _Decision | None, other: _Decision | None) -> Iterator[Difference]:
    shown = one or other
    assert shown is not None
    if one is not None and other is not None and one.name == other.name:
        word, what = ASKING.get(kind, kind), _what(shown, is_answer=True)
        sides: list[Any] = [msgspec.json.decode(side.value) for side in (one, other)]
    else:
        word, what = kind, _what(shown, is_answer=False)
        sides = [_asked(side) for side in (one, other)]
    if ABSENT in sides:
        yield Difference(tick=tick, kind=word, what=what, changes=(FieldChange("all of it", *sides),))
        return
    found = difference(msgspec.json.encode([sides[0]]), msgspec.json.encode([sides[1]]))
    if found:
        yield Difference(tick=tick, kind=word, what=what, changes=tuple(_plain(change) for change in found))


def _asked(decision: _Decision | None) -> Any:
    """What is shown of a decision without an equal: the question, or the value itself."""
    if decision is None:
        return ABSENT
    if decision.kind == "question":
        return msgspec.json.decode(decision.name)
    if decision.kind == "tool":
        return {"arguments": msgspec.json.decode(decision.name)[1], "result": msgspec.json.decode(decision.value)}
    return msgspec.json.decode(decision.value)


def _what(decision: _Decision, *, is_answer: bool) -> str:
    if decision.kind == "question":
        return f"to {gist_of(decision.name)}" if is_answer else gist_of(decision.name)
    if decision.kind == "tool":
        return str(msgspec.json.decode(decision.name)[0])
    return decision.name.decode()


def gist_of(form: bytes) -> str:
    """The end of a question's text: where questions of one program differ."""
    asked = msgspec.json.decode(form)
    texts = [part.get("text", "") for message in asked.get("messages", []) for part in message.get("parts", [])]
    text = " ".join(" ".join(text for text in texts if isinstance(text, str)).split())
    return repr(text if len(text) <= 60 else f"...{text[-57:]}")


def _plain(change: FieldChange) -> FieldChange:
    return FieldChange(change.path.removeprefix("[0]").removeprefix(".") or "value", change.old, change.new)


def _decisions(source: Source, *, has_states: bool = False) -> Iterator[_Decision]:
    """Every decision of a run, calls at their end; of a state its hash, or all of it."""
    calls: UnderWay[Began] = UnderWay()
    numbers: Counter[bytes] = Counter()
    state: Any = None
    for place, entry in enumerate(source.entries):
        if isinstance(entry, Began):
            calls.begin(entry, entry, place)
        elif isinstance(entry, ENDINGS):
            yield _call(calls.of(entry, place), entry)
        elif isinstance(entry, ToolRun):
            yield _tool(entry)
        elif isinstance(entry, Tick):
            numbers.clear()
        elif isinstance(entry, (Draw, Snapshot)):
            name = _name(entry, numbers)
            if isinstance(entry, Draw):
                yield _Decision(entry.tick, "draw", name, msgspec.json.encode(entry.value))
                continue
            if has_states:
                state = state_at(state, entry)
            value = state_of(state) if has_states else entry.sha256.encode()
            yield _Decision(entry.tick, "state", name, value)
    yield from (_call(began, None) for began in calls.values())


def _name(entry: Draw | Snapshot, numbers: Counter[bytes]) -> bytes:
    """Which draw or state of its tick: the number tells those of one name apart."""
    about = f"{entry.system}/{entry.name}".encode() if isinstance(entry, Draw) else b"snapshot"
    numbers[about] += 1
    return b"%b #%d" % (about, numbers[about] - 1)


def _hash_of_state(form: bytes) -> bytes:
    return hashlib.sha256(form).hexdigest().encode()


def _tool(entry: ToolRun) -> _Decision:
    result = msgspec.json.encode(entry.failure) if entry.failure else bytes(entry.result)
    name = msgspec.json.encode([entry.name, entry.arguments])
    return _Decision(entry.tick, "tool", name, result)


def _call(began: Began, end: Ending | None) -> _Decision:
    return _Decision(began.tick, "question", bytes(began.request), msgspec.json.encode(_outcome(end)))


def _outcome(end: Noted | None) -> Any:
    if isinstance(end, Answered):
        return {"parts": end.answer.parts, "finish_reason": end.answer.finish_reason}
    if isinstance(end, Failed):
        return {"error": end.failure.kind, "arguments": list(end.failure.args)}
    return "left by the program" if end is not None else "cut off"
