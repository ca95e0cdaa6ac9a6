"""Server: requests share one processor, a hundred at a time, the rest wait in line.

Processor sharing is followed exactly and in logarithmic time with a clock of attained service: while `n` requests run, each
gains 1/n seconds a second, so a request that needs `s` seconds ends when that clock has moved by `s` (the virtual time of fair
queueing: Demers, Keshav and Shenker 1989). Nothing happens between events, so a server is brought forward only when somebody
looks at it.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable
from typing import TypeAlias

Finished: TypeAlias = Callable[[float, bool], None]
"""Told of a request that left: its response time in seconds, and whether it was served without optional content."""

Need: TypeAlias = Callable[[], tuple[float, bool]]
"""Draws what a request needs when it begins: seconds of service, and whether without optional content."""


class Server:
    """One server from `at` on. A request that waited `timeout` seconds in line is sent away unserved, and counts as optional
    content that took as long, as SWIM counts it."""

    __slots__ = ("_attained", "_finished", "_line", "_need", "_now", "_running", "_threads", "_timeout", "busy")

    def __init__(self, at: float, *, threads: int, timeout: float, need: Need, finished: Finished) -> None:
        self._now = at
        self._attained = 0.0
        self._running: list[tuple[float, float, bool]] = []
        self._line: deque[float] = deque()
        self._threads = threads
        self._timeout = timeout
        self._need = need
        self._finished = finished
        self.busy = 0.0
        """Seconds in which a request ran."""

    @property
    def load(self) -> int:
        """Requests that run or wait."""
        return len(self._running) + len(self._line)

    def arrive(self, at: float) -> None:
        """A request comes; `at` may not be before what was seen already."""
        self.advance(at)
        if len(self._running) < self._threads:
            self._begin(at)
        else:
            self._line.append(at)

    def advance(self, until: float) -> None:
        """Let everything happen that happens up to `until`."""
        running = self._running
        while running:
            count = len(running)
            end, arrived, is_basic = running[0]
            ends_at = self._now + (end - self._attained) * count
            if ends_at > until:
                self._attained += (until - self._now) / count
                self.busy += until - self._now
                self._now = until
                return
            heapq.heappop(running)
            self.busy += ends_at - self._now
            self._now, self._attained = ends_at, end
            self._finished(ends_at - arrived, is_basic)
            if self._line:
                self._fetch()
        self._now = max(self._now, until)

    def _begin(self, arrived: float) -> None:
        seconds, is_basic = self._need()
        heapq.heappush(self._running, (self._attained + seconds, arrived, is_basic))

    def _fetch(self) -> None:
        """Take the next one from the line; those that waited too long are sent away on the way."""
        while self._line and len(self._running) < self._threads:
            arrived = self._line.popleft()
            if self._now - arrived >= self._timeout:
                self._finished(self._now - arrived, False)
            else:
                self._begin(arrived)
