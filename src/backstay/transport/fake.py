"""FakeTransport: a scripted server without a network, for tests of programs that use this library.

    transport = FakeTransport(fault.rate_limited("seconds"), Answer(body=fault.chat_answer("Hello")))

It is the real client over a connection in memory: the same parser, time limits, bounds and errors, with the bytes of the script
where the socket was. Delays are the running loop's timers, so in virtual time (`backstay.sim`) they cost nothing. Each
exchange has a connection of its own, and what was asked stands in `requests`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

from backstay.errors import ConnectFailed
from backstay.transport.address import Address, parse_url, write_head
from backstay.transport.base import DEFAULT_TIMEOUTS, Timeouts
from backstay.transport.connection import Bounds, Connection
from backstay.transport.exchange import end_of, exchange
from backstay.transport.pool import Open, Pool, PoolSize
from backstay.transport.response import HTTPResponse
from backstay.transport.script import Answer, Delay, Fault, Step, wire
from backstay.wire import HTTPRequest

CONNECT_REASONS = {
    "refused": "cannot connect (Connection refused)",
    "dns": "no such host (Name or service not known)",
    "tls": "its certificate is not trusted: self-signed certificate",
}

Exchange = Answer | Callable[[HTTPRequest], Answer]


class FakeTransport:
    """A Transport that plays `exchanges` in order: each an Answer, or a function of the request that gives one.

    With `repeat` the last one goes on for ever; without it a request beyond the script is a RuntimeError.
    """

    def __init__(
        self, *exchanges: Exchange, repeat: bool = False, max_head_bytes: int = 1 << 16, max_body_bytes: int = 1 << 28
    ) -> None:
        self._exchanges = exchanges
        self._repeat = repeat
        self._bounds = Bounds(head=max_head_bytes, body=max_body_bytes)
        self._pools: dict[asyncio.AbstractEventLoop, Pool] = {}
        self._stages: set[_Stage] = set()
        self.requests: list[HTTPRequest] = []

    def __repr__(self) -> str:
        return f"FakeTransport({len(self.requests)} of {len(self._exchanges)} exchanges)"

    @property
    def open_connections(self) -> int:
        """Connections that are open: 0 when nothing was leaked."""
        return len(self._stages)

    async def send(
        self, request: HTTPRequest, *, timeouts: Timeouts = DEFAULT_TIMEOUTS, deadline: float | None = None
    ) -> HTTPResponse:
        """The next answer of the script. Checks the request and keeps to every limit as `HTTPTransport` does."""
        address, target = parse_url(request.url)
        head = write_head(request, target, address.authority, {})
        pool = self._pool(asyncio.get_running_loop())
        end = end_of(pool.loop.time(), timeouts, deadline, address.peer)
        answer = self._next(request)
        connection = await pool.acquire(address, self._opener(answer), connect=timeouts.connect, end=end)
        return await exchange(connection, head, request, timeouts, end)

    def _next(self, request: HTTPRequest) -> Answer:
        number = len(self.requests)
        if number >= len(self._exchanges) and not (self._repeat and self._exchanges):
            raise RuntimeError(f"the script has {len(self._exchanges)} exchanges, and this is request {number + 1}")
        self.requests.append(request)
        chosen = self._exchanges[min(number, len(self._exchanges) - 1)]
        return chosen if isinstance(chosen, Answer) else chosen(request)

    def _pool(self, loop: asyncio.AbstractEventLoop) -> Pool:
        pool = self._pools.get(loop)
        if pool is None:
            self._pools = {one: kept for one, kept in self._pools.items() if not one.is_closed()}
            size = PoolSize(total=1 << 20, per_host=1 << 20, keep_alive=0.0)
            pool = self._pools[loop] = Pool(bounds=self._bounds, size=size)
        return pool

    def _opener(self, answer: Answer) -> Open:
        async def connect(address: Address, make: Callable[[], Connection]) -> Connection:
            for step in answer.connect:
                await _happen(step, address)
            connection = make()
            stage = _Stage(connection, wire(answer), self._stages)
            connection.connection_made(stage)
            return connection

        return connect

    async def aclose(self) -> None:
        """Close what is open; answers being read are cut off. Idempotent."""
        pool = self._pools.pop(asyncio.get_running_loop(), None)
        if pool is not None:
            pool.close()
            await pool.closed()


async def _happen(step: Delay | Fault, address: Address) -> None:
    loop = asyncio.get_running_loop()
    if isinstance(step, Fault) and step.kind != "hang":
        raise ConnectFailed(f"{address.peer}: {CONNECT_REASONS[step.kind]}", retryable=step.kind != "tls")
    passed: asyncio.Future[None] = loop.create_future()
    timer = None if isinstance(step, Fault) else loop.call_later(step.seconds, passed.set_result, None)
    try:
        await passed
    finally:
        if timer is not None:
            timer.cancel()


class _Stage(asyncio.Transport):
    """The socket's place: plays the steps once the request was written, one in each round of the loop."""

    def __init__(self, connection: Connection, steps: list[Step], stages: set[_Stage]) -> None:
        super().__init__()
        self._loop = asyncio.get_running_loop()
        self._connection = connection
        self._steps = deque(steps)
        self._stages = stages
        self._handle: asyncio.Handle | None = None
        self._is_paused = self._is_closed = False
        stages.add(self)

    def write(self, data: Any) -> None:
        self._go_on()

    def _go_on(self) -> None:
        if self._handle is None and not self._is_paused and not self._is_closed and self._steps:
            self._handle = self._loop.call_soon(self._play)

    def _play(self) -> None:
        self._handle = None
        if self._is_paused or self._is_closed:
            return
        step = self._steps.popleft()
        if isinstance(step, Delay):
            self._handle = self._loop.call_later(step.seconds, self._after_delay)
            return
        if isinstance(step, Fault):
            self._end(step.kind)
            return
        self._deliver(step)
        self._go_on()

    def _after_delay(self) -> None:
        self._handle = None
        self._go_on()

    def _deliver(self, data: bytes) -> None:
        buffer = self._connection.get_buffer(len(data))
        size = min(len(buffer), len(data))
        buffer[:size] = data[:size]
        if size < len(data):
            self._steps.appendleft(data[size:])
        self._connection.buffer_updated(size)

    def _end(self, kind: str) -> None:
        if kind == "hang":
            return
        if kind == "close":
            self._connection.eof_received()
        self._close(ConnectionResetError("reset by the script") if kind == "reset" else None)

    def _close(self, error: Exception | None) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        if self._handle is not None:
            self._handle.cancel()
        self._stages.discard(self)
        self._loop.call_soon(self._connection.connection_lost, error)

    # asyncio.Transport

    def abort(self) -> None:
        self._close(None)

    def close(self) -> None:
        self._close(None)

    def is_closing(self) -> bool:
        return self._is_closed

    def pause_reading(self) -> None:
        self._is_paused = True

    def resume_reading(self) -> None:
        self._is_paused = False
        self._go_on()

    def get_write_buffer_size(self) -> int:
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Nothing is ever buffered on this side."""
