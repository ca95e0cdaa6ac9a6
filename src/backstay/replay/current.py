"""Current: which run, if any, what happens here belongs to.

A run is current in the context that entered it and in the tasks and `asyncio.to_thread` calls begun there (PEP 567); the blocking
client's loop counts too. A thread made by hand has a context of its own: start it with `contextvars.copy_context().run`.
Where no context says anything, the run of the whole process holds, which the environment names:

    BACKSTAY_RECORD=run.jsonl python app.py
    BACKSTAY_REPLAY=run.jsonl python app.py      BACKSTAY_REPLAY_MODE=strict|patch|hybrid  BACKSTAY_REPLAY_LIVE=task,task

Below the journal, while a recorded call is being answered, no run is current: what happens there is part of that call's answer.
"""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Iterator
from contextvars import ContextVar
from typing import TYPE_CHECKING, Literal

from backstay.ports import World

if TYPE_CHECKING:
    from backstay.replay.run import Run

RECORD, REPLAY = "BACKSTAY_RECORD", "BACKSTAY_REPLAY"
REPLAY_MODE, REPLAY_LIVE = "BACKSTAY_REPLAY_MODE", "BACKSTAY_REPLAY_LIVE"

_CURRENT: ContextVar[Run | Literal["below"] | None] = ContextVar("backstay_run", default=None)


def current() -> Run | None:
    """The run that is current here: the context's, else the process's."""
    run = _CURRENT.get()
    if run is None:
        return process_run()
    return None if run == "below" else run


@functools.cache
def process_run() -> Run | None:
    """The run that the environment names, begun when it is first asked for and ended with the process."""
    if not (os.environ.get(RECORD) or os.environ.get(REPLAY)):
        return None
    from backstay.replay.process import begin

    return begin(os.environ)


@contextlib.contextmanager
def entered(run: Run | Literal["below"] | None) -> Iterator[None]:
    """`run` is current inside; afterwards what was."""
    before = _CURRENT.get()
    _CURRENT.set(run)
    try:
        yield
    finally:
        _CURRENT.set(before)


def current_world(world: World) -> World:
    """`world`, or where a run is current, `world` with clock, random numbers and ids that it notes or gives back."""
    run = current()
    return world if run is None else run.around(world)
