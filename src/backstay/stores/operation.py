"""Operations: what is asked of a shared store of limits, as data, and how the engine does it.

An operation is applied to an engine (`MemoryLimits`) whose clock stands at the instant that the shared log gave it. The same
operations in the same order give the same state and the same answers on every machine, so nothing here reads anything else.
"""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from typing import Any, Final, TypeAlias, TypeVar

import msgspec

from backstay.stores.limit import Alert, Answer, Claim, Rule, Standing
from backstay.stores.memory_limit import MemoryLimits

T = TypeVar("T")


class Reserve(msgspec.Struct, frozen=True, tag="r", array_like=True):
    """LimitStore.reserve."""

    claim: Claim


class Check(msgspec.Struct, frozen=True, tag="c", array_like=True):
    """LimitStore.check."""

    lease_id: str


class Settle(msgspec.Struct, frozen=True, tag="s", array_like=True):
    """LimitStore.settle; LimitStore.release where `actual` is None."""

    lease_id: str
    actual: dict[str, int] | None


class Tighten(msgspec.Struct, frozen=True, tag="t", array_like=True):
    """LimitStore.tighten."""

    rule: Rule
    room: int
    seconds: float


class Stand(msgspec.Struct, frozen=True, tag="w", array_like=True):
    """LimitStore.standings."""

    scope: str | None


class Due(msgspec.Struct, frozen=True, tag="d", array_like=True):
    """LimitStore.due_alerts."""

    seconds: float


class Delivered(msgspec.Struct, frozen=True, tag="e", array_like=True):
    """LimitStore.delivered."""

    alert: Alert


Operation: TypeAlias = Reserve | Check | Settle | Tighten | Stand | Due | Delivered
Result: TypeAlias = Answer | int | Sequence[Standing] | Sequence[Alert]

encode: Final = msgspec.msgpack.Encoder().encode
decode: Final = msgspec.msgpack.Decoder(list[Operation]).decode


class Instant:
    """A clock that stands where it is put: the log's instant. A Clock."""

    def __init__(self) -> None:
        self.now_us = 0
        self.wall_us = 0

    def monotonic(self) -> float:
        return self.now_us / 1e6

    def wall_ns(self) -> int:
        return self.wall_us * 1000


def apply(engine: MemoryLimits, operation: Operation) -> Result:
    """What `engine` answers. It never waits, so its coroutines end at their first step."""
    match operation:
        case Reserve(claim):
            return _at_once(engine.reserve(claim))
        case Check(lease_id):
            return _at_once(engine.check(lease_id))
        case Settle(lease_id, None):
            return _told(engine.release(lease_id))
        case Settle(lease_id, actual):
            return _told(engine.settle(lease_id, actual or {}))
        case Tighten(rule, room, seconds):
            return _told(engine.tighten(rule, room, seconds))
        case Stand(scope):
            return _at_once(engine.standings(scope))
        case Due(seconds):
            return _at_once(engine.due_alerts(seconds))
        case Delivered(alert):
            return _told(engine.delivered(alert))


def _at_once(work: Coroutine[Any, Any, T]) -> T:
    try:
        work.send(None)
    except StopIteration as done:
        value: T = done.value
        return value
    work.close()
    raise RuntimeError("the engine of limits waited")


def _told(ticket: Any) -> int:
    try:
        next(ticket.__await__())
    except StopIteration as done:
        return int(done.value)
    raise RuntimeError("the engine of limits waited")
