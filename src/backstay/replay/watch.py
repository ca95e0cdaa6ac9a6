"""Watch: one live call while it is recorded: its events as they arrive, and its one end.

The events that the provider read ahead (up to the first content) are the first chunk; each later batch is a chunk of its own.
What is noted is what arrived, in the moment in which the program asked for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

from backstay.codecs.embedding import Embeddings
from backstay.event import Event
from backstay.ports import World
from backstay.replay.current import entered
from backstay.replay.entry import Answered, Began, Chunk, Dropped, Failed
from backstay.replay.failure import to_failure
from backstay.replay.notebook import Notebook
from backstay.service import Call, Outcome, Reply, Service, close_batches
from backstay.types import Response


async def watched(call: Call, inner: Service, *, notebook: Notebook, tick: int | None, world: World) -> Reply:
    """`inner`'s reply to `call`, noted in `notebook` as it goes."""
    watch = _Watch(notebook, notebook.begin(call, tick=tick, world=world), world)
    try:
        with entered("below"):
            reply = await inner(call)
    except BaseException as error:
        watch.failed(error)
        raise
    watch.attach(reply)
    return reply


class _Watch:
    def __init__(self, notebook: Notebook, began: Began, world: World) -> None:
        self._notebook = notebook
        self._call = began.call
        self._world = world
        self._start = world.clock.monotonic()
        self._ahead: list[Event] = []
        self._committed = 0.0
        self._is_whole = False

    def _after(self) -> float:
        return self._world.clock.monotonic() - self._start

    def attach(self, reply: Reply) -> None:
        self._is_whole = reply.is_whole
        if not reply.is_whole:
            self._committed = self._after()
            reply.tap(self._ahead.append)
            reply.wrap(self._noted)
        reply.observe(self._ended)

    async def _noted(self, batches: AsyncIterator[Sequence[Event]]) -> AsyncIterator[Sequence[Event]]:
        """The batches, each noted. The first one is asked for when all that was read ahead has been handed out."""
        self._flush()
        try:
            while True:
                with entered("below"):
                    try:
                        batch = await anext(batches)
                    except StopAsyncIteration:
                        return
                self._chunk(self._after(), batch)
                yield batch
        finally:
            await close_batches(batches)

    def _flush(self) -> None:
        if self._committed >= 0:
            if self._ahead:
                self._chunk(self._committed, self._ahead)
            self._committed = -1.0
        self._ahead.clear()

    def _chunk(self, after: float, events: Sequence[Event]) -> None:
        self._notebook.add(Chunk(call=self._call, after=after, events=tuple(events)))

    def _ended(self, outcome: Outcome) -> None:
        self._flush()
        if isinstance(outcome, Response):
            vectors = outcome if isinstance(outcome, Embeddings) else None
            self._notebook.add(
                Answered(
                    call=self._call,
                    after=self._after(),
                    response=outcome if vectors is None else None,
                    embeddings=vectors,
                    is_whole=self._is_whole,
                )
            )
        elif isinstance(outcome, BaseException):
            self.failed(outcome)
        else:
            self._notebook.add(Dropped(call=self._call, after=self._after()))

    def failed(self, error: BaseException) -> None:
        """Note that the call failed with `error`, or was left where it is a cancellation."""
        if isinstance(error, (asyncio.CancelledError, GeneratorExit)):
            self._notebook.add(Dropped(call=self._call, after=self._after()))
        else:
            self._notebook.add(Failed(call=self._call, after=self._after(), failure=to_failure(error)))
