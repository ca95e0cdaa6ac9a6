"""Played: one recorded call, given again as a Reply: the same chunks, the same end, at full speed or at the recorded pace."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Final

from backstay.event import Event
from backstay.replay.divergence import Divergence
from backstay.replay.entry import Answered, Dropped, Failed
from backstay.replay.failure import to_error
from backstay.replay.journal import Recorded
from backstay.service import Reply

PATIENCE: Final = 1.0
"""Seconds that a replay waits, beyond the recorded ones, for the program to leave a call as it did when it was recorded."""

Wait = Callable[[int, float], Awaitable[None]]
"""Waits for the turn of a place in the journal, and for the time (seconds) since the place before it in the same call."""


class Played:
    """One call. `wait` keeps order and pace, `sleep` waits for the program to leave, `diverged` makes the error if it stays."""

    def __init__(
        self,
        recorded: Recorded,
        *,
        wait: Wait,
        sleep: Callable[[float], Awaitable[None]],
        diverged: Callable[[str], Divergence],
    ) -> None:
        self._recorded = recorded
        self._wait = wait
        self._sleep = sleep
        self._diverged = diverged
        self._last = 0.0

    async def reply(self) -> Reply:
        """The reply, when what the provider had read ahead was there. Raises the error that was raised then."""
        end = self._recorded.end
        if isinstance(end, Answered) and end.is_whole:
            await self._step(self._recorded.places[-1], end.after)
            return Reply(response=end.answer)
        if not self._recorded.chunks:
            return await self._without_events()
        place, head = self._recorded.places[0], self._recorded.chunks[0]
        await self._step(place, head.after)
        reply = Reply(self._rest(), head=head.events)
        if isinstance(end, Answered):
            reply.amend(lambda _: end.answer)
        return reply

    async def _without_events(self) -> Reply:
        end = self._recorded.end
        if isinstance(end, Failed):
            await self._step(self._recorded.places[-1], end.after)
            raise to_error(end.failure)
        if isinstance(end, Answered):
            reply = Reply(self._rest())
            reply.amend(lambda _: end.answer)
            return reply
        raise await self._left(end)

    async def _step(self, place: int, after: float) -> None:
        await self._wait(place, max(after - self._last, 0.0))
        self._last = after

    async def _rest(self) -> AsyncIterator[Sequence[Event]]:
        """The chunks after the first, then the end."""
        recorded = self._recorded
        for place, chunk in list(zip(recorded.places, recorded.chunks, strict=False))[1:]:
            await self._step(place, chunk.after)
            yield chunk.events
        end = recorded.end
        if isinstance(end, (Answered, Failed)):
            await self._step(recorded.places[-1], end.after)
        if isinstance(end, Failed):
            raise to_error(end.failure)
        if not isinstance(end, Answered):
            raise await self._left(end)

    async def _left(self, end: Dropped | None) -> Divergence:
        """Wait for the program to leave, as it did; a program that stays has gone another way."""
        number = self._recorded.began.call
        if end is None:
            return self._diverged(f"the journal was cut off before call {number} ended")
        await self._sleep(max(end.after - self._last, 0.0) + PATIENCE)
        return self._diverged(
            f"call {number} was left by the program {end.after:.3f} s after it began; this time it was not"
        )
