"""Turnstile: of all that waits for a recorded event, what was recorded first goes first.

At full speed nothing in a replay takes time, so which of two answers comes first would be decided by chance. Here those who wait
at one moment are let through one at a time, in the order of their places in the journal, and the program moves between two of
them. The one that came first is never kept waiting for one that is not there: whatever the program waits for, somebody passes.
"""

from __future__ import annotations

import asyncio
import heapq


class Turnstile:
    """One per event loop."""

    def __init__(self) -> None:
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._count = 0
        self._is_turning = False

    async def passed(self, place: int) -> None:
        """Wait for the turn of what stands at `place`."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        self._count += 1
        heapq.heappush(self._waiting, (place, self._count, future))
        if not self._is_turning:
            self._is_turning = True
            loop.call_soon(self._turn)
        await future

    def _turn(self) -> None:
        while self._waiting:
            _, _, future = heapq.heappop(self._waiting)
            if not future.done():
                future.set_result(None)
                break
        self._is_turning = bool(self._waiting)
        if self._is_turning:
            asyncio.get_running_loop().call_soon(self._turn)
