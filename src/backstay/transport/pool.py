"""Pool: the connections of one event loop, by origin, opened when needed and kept while they are good.

An idle connection is used again, the youngest first, unless the other side closed it or it is older than its keep-alive; a sweep
closes those that nobody uses. Busy and idle ones together never pass the pool's size, nor those of one host its share. Whoever
finds no place waits in line, first come, first served for its host. Only the end of the whole call bounds that wait, not the time
to connect: a host that we keep busy is not one that cannot be reached, and a circuit breaker must not take it for one.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from math import inf

import msgspec

from backstay.errors import ConnectFailed, TimedOut
from backstay.transport.address import Address
from backstay.transport.connection import Bounds, Connection

READ_BYTES = 1 << 16
"""The buffer that all connections of a loop share; a busier socket is read again at once."""

Open = Callable[[Address, Callable[[], Connection]], Awaitable[Connection]]


class PoolSize(msgspec.Struct, frozen=True, kw_only=True):
    """Connections in all and to one host, and the seconds for which an idle one is kept."""

    total: int
    per_host: int
    keep_alive: float


class Pool:
    """Connections of the running loop; one pool per loop, because sockets and futures belong to their loop."""

    def __init__(self, *, bounds: Bounds, size: PoolSize) -> None:
        self.loop = asyncio.get_running_loop()
        self._bounds = bounds
        self._size = size
        self._scratch = memoryview(bytearray(READ_BYTES))
        self._idle: dict[Address, deque[Connection]] = {}
        self._idle_count = 0
        self._taken: dict[Address, int] = {}
        self._taken_count = 0
        self._line: deque[tuple[Address, asyncio.Future[None]]] = deque()
        self._open: dict[Connection, bool] = {}
        self._sweeper: asyncio.TimerHandle | None = None
        self._empty: asyncio.Future[None] | None = None
        self._is_closed = False

    def take_idle(self, address: Address) -> Connection | None:
        """A kept connection that is still good, where nobody waits before us; None otherwise."""
        if self._line or not self._idle_count or not self._has_place(address):
            return None
        connection = self._pop_idle(address)
        if connection is not None:
            self._take_place(address)
        return connection

    async def acquire(self, address: Address, open_: Open, *, connect: float | None, end: float) -> Connection:
        """A connection to `address`, kept or opened by `open_` within `connect` seconds; before the instant `end` in any case.

        Raises ConnectFailed, and TimedOut with the phase "connect" or, at `end` and while in line, "total".
        """
        await self._place_before(address, end)
        limit = inf if connect is None else self.loop.time() + connect
        phase = "connect" if limit < end else "total"
        limit = min(limit, end)
        scope = asyncio.timeout_at(None if limit == inf else limit)
        try:
            async with scope:
                return self._pop_idle(address) or await self._make(address, open_)
        except TimeoutError as error:
            self._leave_place(address)
            phase = phase if scope.expired() else "connect"  # the system's own limit on a TCP handshake
            raise TimedOut(f"{address.peer}: no connection in time", phase=phase, sent=False) from error
        except BaseException:
            self._leave_place(address)
            raise

    async def _place_before(self, address: Address, end: float) -> None:
        try:
            async with asyncio.timeout_at(None if end == inf else end):
                await self._place(address)
        except TimeoutError as error:
            reason = f"{address.peer}: the time for the whole call ended before a connection was free"
            raise TimedOut(reason, phase="total", sent=False) from error

    async def _make(self, address: Address, open_: Open) -> Connection:
        if not self._is_closed:
            if self._idle_count and self._taken_count + self._idle_count > self._size.total:
                self._drop_oldest()
            connection = await open_(address, lambda: self._connection(address))
            if not self._is_closed:
                self._open[connection] = True
                return connection
            connection.abort()
        raise ConnectFailed(f"{address.peer}: the transport was closed", retryable=False)

    def _connection(self, address: Address) -> Connection:
        connection = Connection(self.loop, self, address.peer, scratch=self._scratch, bounds=self._bounds)
        connection.key = address
        return connection

    # places

    def _has_place(self, address: Address) -> bool:
        return self._taken_count < self._size.total and self._taken.get(address, 0) < self._size.per_host

    def _take_place(self, address: Address) -> None:
        self._taken_count += 1
        self._taken[address] = self._taken.get(address, 0) + 1

    async def _place(self, address: Address) -> None:
        """Returns with a place taken, after all who wait for one at the same host."""
        if self._has_place(address) and not any(where == address for where, _ in self._line):
            self._take_place(address)
            return
        turn: asyncio.Future[None] = self.loop.create_future()
        entry = (address, turn)
        self._line.append(entry)
        try:
            await turn
        except BaseException:
            if turn.done() and not turn.cancelled():
                self._leave_place(address)  # our turn had come at the instant of the cancellation: the next one's now
            else:
                self._line.remove(entry)
                self._call_next()
            raise

    def _leave_place(self, address: Address) -> None:
        self._taken_count -= 1
        left = self._taken[address] - 1
        if left:
            self._taken[address] = left
        else:
            del self._taken[address]
        self._call_next()

    def _call_next(self) -> None:
        """Give free places to the first in line whose host has one."""
        for entry in list(self._line):
            if self._taken_count >= self._size.total:
                return
            address, turn = entry
            if self._has_place(address) and not turn.done():
                self._line.remove(entry)
                self._take_place(address)
                turn.set_result(None)

    # kept connections

    def _pop_idle(self, address: Address) -> Connection | None:
        kept = self._idle.get(address)
        while kept:
            connection = kept.pop()
            self._idle_count -= 1
            if self._is_fresh(connection):
                self._open[connection] = True
                return connection
            connection.abort()
        return None

    def _is_fresh(self, connection: Connection) -> bool:
        now = self.loop.time()
        return now - connection.idle_since < self._size.keep_alive and connection.is_usable(now)

    def _drop_oldest(self) -> None:
        oldest = min((kept for kept in self._idle.values() if kept), key=lambda kept: kept[0].idle_since)
        self._idle_count -= 1
        oldest.popleft().abort()

    def take_back(self, connection: Connection) -> None:
        """The exchange ended cleanly; the connection can carry another one."""
        if self._is_closed or self._size.keep_alive <= 0:
            connection.abort()
            return
        self._open[connection] = False
        connection.idle_since = self.loop.time()
        kept = self._idle.get(connection.key)
        if kept is None:
            kept = self._idle[connection.key] = deque()
        kept.append(connection)
        self._idle_count += 1
        self._leave_place(connection.key)
        if self._sweeper is None:
            self._sweeper = self.loop.call_later(self._size.keep_alive, self._sweep)

    def forget(self, connection: Connection) -> None:
        """The connection is closed."""
        is_busy = self._open.pop(connection, None)
        if is_busy:
            self._leave_place(connection.key)
        elif is_busy is not None and connection in (kept := self._idle.get(connection.key, deque())):
            kept.remove(connection)
            self._idle_count -= 1
        if self._empty is not None and not self._open and not self._empty.done():
            self._empty.set_result(None)

    def _sweep(self) -> None:
        """Close idle connections that are too old or were closed by the other side; come again while there are others."""
        self._sweeper = None
        for address, kept in list(self._idle.items()):
            for connection in [one for one in kept if not self._is_fresh(one)]:
                kept.remove(connection)
                self._idle_count -= 1
                connection.abort()
            if not kept:
                del self._idle[address]
        if self._idle:
            self._sweeper = self.loop.call_later(self._size.keep_alive, self._sweep)

    def close(self) -> None:
        """Close every connection; exchanges under way fail. Whoever waits in line is refused when their turn comes."""
        self._is_closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
        for connection in list(self._open):
            connection.cut("the transport was closed")

    async def closed(self) -> None:
        """Returns when the sockets are closed."""
        if self._open:
            self._empty = self.loop.create_future()
            await self._empty
