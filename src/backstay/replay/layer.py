"""JournalLayer: where a call meets the current run: recorded, answered from the journal, or passed on.

It stands outermost but for telemetry: what a cache, a queue, a retry or another target did is part of the answer that is
recorded, and in a replay nothing of it runs. Without a current run it looks up one context variable and passes the call on.

    complete    recorded: the answer as it left this layer; replayed: that answer
    failed      recorded: the error with its facts, and the events before it; replayed: an equal error after equal events
    dropped     recorded as dropped; replayed: the events that had come, then it waits until the program leaves again
"""

from __future__ import annotations

from backstay.ports import World
from backstay.replay.current import current
from backstay.replay.run import Booking
from backstay.service import Call, Reply, Service


class JournalLayer:
    """The layer. `world` tells the times that are noted; `booking` hears of replayed calls (`booking.py`)."""

    def __init__(self, world: World | None = None, *, booking: Booking | None = None) -> None:
        self._world = world or World.real()
        self._booking = booking

    async def __call__(self, call: Call, inner: Service, /) -> Reply:
        run = current()
        if run is None:
            return await inner(call)
        return await run.answer(call, inner, self._world, self._booking)
