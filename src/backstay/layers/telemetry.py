"""Telemetry: tells a listener when calls and attempts begin, commit and end; it cannot change them.

The same layer stands twice in the default stack: outermost for the call, innermost for each attempt. A listener is a function
of one `Signal`; it runs synchronously, so it must be quick, and a fault in it is logged and forgotten. Every signal of a call
that began is followed by exactly one that ended it: complete, failed or dropped.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Literal, TypeAlias

import msgspec

from backstay.event import CONTENT_EVENTS, Event
from backstay.ports import Clock
from backstay.service import DROPPED, Call, Outcome, Reply, Service
from backstay.types import Response

log = logging.getLogger("backstay")

Level: TypeAlias = Literal["call", "attempt"]
Stage: TypeAlias = Literal["started", "first_event", "complete", "failed", "dropped"]


class Signal(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that happened: at which level, at which stage, to which call, after how many seconds.

    `response` is there at stage complete, `error` at stage failed; `at` is Unix time in seconds.
    """

    level: Level
    stage: Stage
    call: Call
    at: float
    elapsed: float = 0.0
    target: str = ""
    response: Response | None = None
    error: BaseException | None = None


Listener: TypeAlias = Callable[[Signal], None]


class Telemetry:
    """The layer: one listener, one level."""

    def __init__(self, listener: Listener, *, level: Level, clock: Clock, target: str = "") -> None:
        self._listener = listener
        self._level = level
        self._clock = clock
        self._target = target

    def _tell(self, stage: Stage, call: Call, started: float, outcome: Outcome | None = None) -> None:
        signal = Signal(
            level=self._level,
            stage=stage,
            call=call,
            at=self._clock.wall_ns() / 1e9,
            elapsed=self._clock.monotonic() - started,
            target=self._target,
            response=outcome if isinstance(outcome, Response) else None,
            error=outcome if isinstance(outcome, BaseException) else None,
        )
        try:
            self._listener(signal)
        except Exception:
            log.exception("a telemetry listener failed at %s %s", self._level, stage)

    async def __call__(self, call: Call, inner: Service, /) -> Reply:
        started = self._clock.monotonic()
        self._tell("started", call, started)
        try:
            reply = await inner(call)
        except BaseException as error:
            stage: Stage = "dropped" if isinstance(error, asyncio.CancelledError) else "failed"
            self._tell(stage, call, started, error)
            raise
        if not reply.is_whole:
            reply.tap(self._first(call, started))
        reply.observe(lambda outcome: self._tell(stage_of(outcome), call, started, outcome))
        return reply

    def _first(self, call: Call, started: float) -> Callable[[Event], None]:
        is_told = False

        def tap(event: Event) -> None:
            nonlocal is_told
            if not is_told and isinstance(event, CONTENT_EVENTS):
                is_told = True
                self._tell("first_event", call, started)

        return tap


def stage_of(outcome: Outcome) -> Stage:
    """The stage that an outcome ends a call in."""
    if outcome is DROPPED:
        return "dropped"
    return "complete" if isinstance(outcome, Response) else "failed"
