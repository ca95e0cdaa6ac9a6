"""WebTier: a web tier to practise on, after SWIM (Moreno, Schmerl and Garlan, "SWIM: An Exemplar for Evaluation and Comparison
of Self-Adaptation Approaches for Web Applications", SEAMS 2018).

Requests arrive as a trace says and are dealt to the servers in turn. With probability `dimmer` a request is served with its
optional content, which takes longer and earns more. A server that is added serves after a boot delay and counts from the start;
one that is removed gets no new requests and ends those it has. Time moves when `advance` is called, so hours take seconds.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from random import Random
from typing import Final

import msgspec

from backstay.kits.operations.server import Server
from backstay.kits.operations.setting import Tier

LEAST_SERVICE: Final = 1e-6
"""Seconds: what a drawn service time of zero is taken for."""

WINDOW: Final = 60.0
MARK: Final = 5.0
"""Seconds between two notes of the sums, at most: a window is measured as exactly."""


class Totals(msgspec.Struct, kw_only=True):
    """Sums since the beginning; a measurement is the difference of two."""

    at: float = 0.0
    arrivals: int = 0
    basic: int = 0
    basic_time: float = 0.0
    optional: int = 0
    optional_time: float = 0.0
    server_time: float = 0.0
    active_time: float = 0.0
    dimmer_time: float = 0.0
    busy_time: float = 0.0
    busy: tuple[float, ...] = ()


class WebTier:
    """The simulated tier. `deltas` are the seconds between arrivals; `seed` decides all draws, so one seed gives one run."""

    def __init__(self, deltas: Iterable[float], settings: Tier | None = None, *, seed: int = 1) -> None:
        self.settings = settings or Tier()
        self.now = 0.0
        self.dimmer = self.settings.initial_dimmer
        self._draw = Random(seed)
        self._deltas: Iterator[float] = iter(deltas)
        self._next = self._following(0.0)
        self._sums = Totals()
        self._marks: deque[Totals] = deque(maxlen=4_096)
        self._active = [self._server() for _ in range(self.settings.initial_servers)]
        self._booting: list[float] = []
        self._draining: list[Server] = []
        self._gone = 0.0
        self._turn = 0
        self._mark()

    def _following(self, at: float) -> float | None:
        delta = next(self._deltas, None)
        return None if delta is None else at + delta

    def _server(self) -> Server:
        return Server(
            self.now,
            threads=self.settings.threads,
            timeout=self.settings.timeout,
            need=self._need,
            finished=self._finished,
        )

    @property
    def servers(self) -> int:
        """Servers that are paid for: active and booting."""
        return len(self._active) + len(self._booting)

    @property
    def active_servers(self) -> int:
        """Servers that serve."""
        return len(self._active)

    @property
    def max_servers(self) -> int:
        """Servers that there may be."""
        return self.settings.max_servers

    @property
    def is_over(self) -> bool:
        """True when the trace has no more requests."""
        return self._next is None

    def add_server(self) -> None:
        """Start a server. Raises ValueError where there are as many as may be."""
        if self.servers >= self.max_servers:
            raise ValueError(f"there are {self.servers} of {self.max_servers} servers already")
        if self.settings.boot_delay > 0:
            self._booting.append(self.now + self.settings.boot_delay)
        else:
            self._active.append(self._server())
            self._mark()

    def remove_server(self) -> None:
        """Stop the youngest server; one that still boots is the youngest. Raises ValueError for the last one."""
        if self.servers <= 1:
            raise ValueError("the last server stays")
        if self._booting:
            self._booting.pop()
        else:
            self._draining.append(self._active.pop())
            self._turn %= len(self._active)
            self._mark()

    def set_dimmer(self, value: float) -> None:
        """Serve this share of requests with optional content. Raises ValueError outside 0 to 1."""
        if not 0 <= value <= 1:
            raise ValueError(f"dimmer {value}: must be from 0 to 1")
        self.dimmer = value

    def advance(self, until: float) -> None:
        """Let everything happen that happens up to `until`, in seconds since the beginning."""
        while self._booting and self._booting[0] <= until:
            self._pass(self._booting[0])
            del self._booting[0]
            self._active.append(self._server())
            self._mark()
        self._pass(until)

    def _pass(self, until: float) -> None:
        """Serve up to `until`, and note the sums on the way, so that any window can be measured afterwards."""
        while self.now + MARK < until:
            self._serve(self.now + MARK)
            self._mark()
        self._serve(until)
        self._mark()

    def _serve(self, until: float) -> None:
        """Deal out the requests up to `until`, with the servers that there are."""
        while self._next is not None and self._next <= until:
            at = self._next
            self._active[self._turn].arrive(at)
            self._turn = (self._turn + 1) % len(self._active)
            self._sums.arrivals += 1
            self._next = self._following(at)
        for server in (*self._active, *self._draining):
            server.advance(until)
        self._gone += sum(server.busy for server in self._draining if not server.load)
        self._draining = [server for server in self._draining if server.load]
        passed = until - self.now
        self._sums.server_time += self.servers * passed
        self._sums.active_time += self.active_servers * passed
        self._sums.dimmer_time += self.dimmer * passed
        self.now = until

    def _need(self) -> tuple[float, bool]:
        is_basic = self._draw.random() >= self.dimmer
        mean, spread = self.settings.basic if is_basic else self.settings.service
        seconds = self._draw.gauss(mean, spread)
        while seconds < 0:
            seconds = self._draw.gauss(mean, spread)
        return max(seconds, LEAST_SERVICE), is_basic

    def _finished(self, seconds: float, is_basic: bool) -> None:
        sums = self._sums
        if is_basic:
            sums.basic += 1
            sums.basic_time += seconds
        else:
            sums.optional += 1
            sums.optional_time += seconds

    def _mark(self) -> None:
        self._sums.at = self.now
        self._sums.busy = tuple(server.busy for server in self._active)
        self._sums.busy_time = self._gone + sum(server.busy for server in (*self._active, *self._draining))
        self._marks.append(msgspec.structs.replace(self._sums))

    def measure(self, window: float = WINDOW) -> Measurement:
        """What happened in the last `window` seconds, as far back as it is known."""
        begin = self.now - window + 1e-9
        since = next((mark for mark in reversed(self._marks) if mark.at <= begin), self._marks[0])
        return measured(since, self._sums, self)


class Measurement(msgspec.Struct, frozen=True, kw_only=True):
    """A window in figures: rates per second, response times in seconds, `utilisation` as a share of each active server.

    `response_time` over both kinds is None where nothing was served. `mean_utilisation` is over the time that servers served.
    """

    at: float
    seconds: float
    arrival_rate: float
    basic_rate: float
    basic_response_time: float
    optional_rate: float
    optional_response_time: float
    response_time: float | None
    utilisation: tuple[float, ...]
    mean_utilisation: float
    servers: int
    active_servers: int
    max_servers: int
    dimmer: float
    mean_servers: float
    mean_dimmer: float

    def metrics(self) -> dict[str, float]:
        """As a flat table with units in the names; absent what was not measured."""
        table = {
            "server_count": float(self.servers),
            "active_servers": float(self.active_servers),
            "max_servers": float(self.max_servers),
            "dimmer": self.dimmer,
            "arrival_rate_per_s": self.arrival_rate,
            "basic_response_time_ms": self.basic_response_time * 1e3,
            "optional_response_time_ms": self.optional_response_time * 1e3,
            "basic_throughput_per_s": self.basic_rate,
            "optional_throughput_per_s": self.optional_rate,
            "utilisation": self.mean_utilisation,
        }
        return table if self.response_time is None else table | {"response_time_ms": self.response_time * 1e3}


def measured(since: Totals, until: Totals, tier: WebTier) -> Measurement:
    """The difference of two marks as figures."""
    seconds = until.at - since.at
    per = 1 / seconds if seconds > 0 else 0.0
    basic, optional = until.basic - since.basic, until.optional - since.optional
    basic_time, optional_time = until.basic_time - since.basic_time, until.optional_time - since.optional_time
    before = (*since.busy, *[0.0] * len(until.busy))
    gained = [now - then if now >= then else now for now, then in zip(until.busy, before, strict=False)]
    served = until.active_time - since.active_time
    return Measurement(
        at=until.at,
        seconds=seconds,
        arrival_rate=(until.arrivals - since.arrivals) * per,
        basic_rate=basic * per,
        basic_response_time=basic_time / basic if basic else 0.0,
        optional_rate=optional * per,
        optional_response_time=optional_time / optional if optional else 0.0,
        response_time=(basic_time + optional_time) / (basic + optional) if basic + optional else None,
        utilisation=tuple(min(gain * per, 1.0) for gain in gained),
        mean_utilisation=min((until.busy_time - since.busy_time) / served, 1.0) if served > 0 else 0.0,
        servers=tier.servers,
        active_servers=tier.active_servers,
        max_servers=tier.max_servers,
        dimmer=tier.dimmer,
        mean_servers=(until.server_time - since.server_time) * per,
        mean_dimmer=(until.dimmer_time - since.dimmer_time) * per,
    )
