"""Events at one instant: each order of answer, cancellation, end and time limit has one outcome. No sockets, virtual time."""

from __future__ import annotations

import asyncio
from math import inf
from typing import Any

import pytest

from backstay.errors import LLMError, ReadFailed, TimedOut
from backstay.transport.address import parse_url, write_head
from backstay.transport.base import Timeouts
from backstay.transport.connection import Bounds, Connection, Limits
from backstay.transport.exchange import exchange
from backstay.transport.pool import Pool, PoolSize
from backstay.wire import HTTPRequest

ASK = HTTPRequest(url="http://provider.example/v1", body=b"{}")
ADDRESS, TARGET = parse_url(ASK.url)
HEAD = write_head(ASK, TARGET, ADDRESS.authority, {})
WHOLE = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


class Wire(asyncio.Transport):
    """A socket that takes everything and says nothing; the test speaks for the server."""

    def __init__(self, connection: Connection) -> None:
        super().__init__()
        self.connection = connection
        self.is_closed = self.is_paused = False
        self.unsent = 0

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def write(self, data: Any) -> None:
        assert not self.is_closed

    def say(self, data: bytes) -> None:
        self.connection.get_buffer(len(data))[: len(data)] = data
        self.connection.buffer_updated(len(data))

    def abort(self) -> None:
        if not self.is_closed:
            self.is_closed = True
            asyncio.get_running_loop().call_soon(self.connection.connection_lost, None)

    def is_closing(self) -> bool:
        return self.is_closed

    def pause_reading(self) -> None:
        self.is_paused = True

    def resume_reading(self) -> None:
        self.is_paused = False

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Nothing is buffered."""


class Bench:
    """A pool of one place whose connections are `wires`."""

    def __init__(self, places: int = 1) -> None:
        self.wires: list[Wire] = []
        self.pool = Pool(
            bounds=Bounds(head=1 << 16, body=1 << 20), size=PoolSize(total=places, per_host=places, keep_alive=30.0)
        )

    async def connect(self, _: Any, make: Any) -> Connection:
        connection: Connection = make()
        self.wires.append(Wire(connection))
        connection.connection_made(self.wires[-1])
        return connection

    async def acquire(self, end: float = inf) -> Connection:
        return await self.pool.acquire(ADDRESS, self.connect, connect=5.0, end=end)

    async def asked(self) -> tuple[Connection, asyncio.Task[Any]]:
        """A connection, and the task that waits for the head of its answer."""
        connection = await self.acquire()
        task = asyncio.ensure_future(exchange(connection, HEAD, ASK, Timeouts(), inf))
        await asyncio.sleep(0)
        return connection, task


async def test_a_late_cancellation_does_not_end_the_next_exchange() -> None:
    """The answer came, its connection went to the next call, and only then its reader was cancelled."""
    bench = Bench()
    connection, task = await bench.asked()
    bench.wires[0].say(WHOLE)
    assert bench.pool.take_idle(ADDRESS) is connection
    following = connection.start(HEAD, b"", Limits())
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert task.cancelled()
    assert following.error is None
    assert not bench.wires[0].is_closed


async def test_an_answer_and_a_cancellation_at_one_instant() -> None:
    """Cancelled after the head and before its reader ran: the stream is cut, the place is free again."""
    bench = Bench()
    _, task = await bench.asked()
    bench.wires[0].say(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert bench.wires[0].is_closed
    assert await bench.acquire() is bench.wires[1].connection


@pytest.mark.parametrize("order", ["turn first", "cancel first"])
async def test_a_turn_and_a_cancellation_at_one_instant(order: str) -> None:
    """Whoever is cancelled as their turn comes passes it on; no place is lost and none is made."""
    bench = Bench()
    first = await bench.acquire()
    gone, waiting = asyncio.ensure_future(bench.acquire()), asyncio.ensure_future(bench.acquire())
    await asyncio.sleep(0)
    inbox = first.start(HEAD, b"", Limits())
    steps = [lambda: bench.wires[0].say(WHOLE), gone.cancel]
    for step in steps if order == "turn first" else reversed(steps):
        step()
    await asyncio.gather(gone, return_exceptions=True)
    assert inbox.is_whole
    assert gone.cancelled()
    assert await waiting is first
    late = asyncio.ensure_future(bench.acquire(asyncio.get_running_loop().time() + 5))
    with pytest.raises(TimedOut):
        await late


async def test_the_end_while_reading_is_paused() -> None:
    """Bytes that were taken in before a break are handed out, then the break is raised, every time it is asked."""
    bench = Bench()
    connection, task = await bench.asked()
    size = 1 << 16
    bench.wires[0].say(b"HTTP/1.1 200 OK\r\ncontent-length: 999999\r\n\r\n")
    for _ in range(3):
        bench.wires[0].say(bytes(size))
    assert bench.wires[0].is_paused
    connection.connection_lost(ConnectionResetError())
    response = await task
    assert len(await anext(response)) == 3 * size
    for _ in range(2):
        with pytest.raises(ReadFailed):
            await anext(response)


async def test_an_end_after_a_whole_answer_is_no_fault() -> None:
    """EOF and loss after the last byte change nothing for the reader; the connection is not kept."""
    bench = Bench()
    connection, task = await bench.asked()
    bench.wires[0].say(WHOLE)
    connection.eof_received()
    connection.connection_lost(None)
    assert await (await task).read() == b"ok"
    assert bench.pool.take_idle(ADDRESS) is None


async def test_a_loss_without_an_end_is_no_end() -> None:
    """A body without a length is whole only when the server closed; a connection that merely vanished cut it."""
    for is_end, outcome in ((True, "b'abc'"), (False, "ReadFailed")):
        bench = Bench()
        connection, task = await bench.asked()
        bench.wires[0].say(b"HTTP/1.1 200 OK\r\n\r\nabc")
        if is_end:
            connection.eof_received()
        connection.connection_lost(None)
        try:
            seen = repr(await (await task).read())
        except LLMError as error:
            seen = type(error).__name__
        assert seen == outcome


async def test_a_timer_of_the_last_exchange_does_not_end_the_next() -> None:
    """Limits belong to an exchange: an old, short one does not cut a later, patient one."""
    bench = Bench()
    connection = await bench.acquire()
    connection.start(HEAD, b"", Limits(first=1.0))
    bench.wires[0].say(WHOLE)
    await asyncio.sleep(0.5)
    assert await bench.acquire() is connection
    inbox = connection.start(HEAD, b"", Limits(first=100.0))
    await asyncio.sleep(50)
    assert inbox.error is None
    await asyncio.sleep(60)
    assert isinstance(inbox.error, TimedOut)


async def test_an_upload_that_moves_is_not_a_silent_server() -> None:
    """The wait for an answer begins when the request is out; while it leaves slowly, no limit but the last one counts."""
    bench = Bench()
    connection = await bench.acquire()
    wire = bench.wires[0]
    wire.unsent = 3000
    inbox = connection.start(HEAD, b"", Limits(first=10.0))
    for left in (2000, 1000, 0):
        await asyncio.sleep(9)
        wire.unsent = left
    await asyncio.sleep(9)
    assert inbox.error is None
    await asyncio.sleep(11)
    assert isinstance(inbox.error, TimedOut)
    assert (inbox.error.phase, inbox.error.sent) == ("first_event", True)


async def test_an_upload_that_stands_still_is_one() -> None:
    """The broken variant of the upload above: nothing leaves any more."""
    bench = Bench()
    connection = await bench.acquire()
    bench.wires[0].unsent = 3000
    inbox = connection.start(HEAD, b"", Limits(first=10.0))
    await asyncio.sleep(10.1)
    assert isinstance(inbox.error, TimedOut)
    assert bench.wires[0].is_closed


async def test_idle_connections_are_closed_in_time() -> None:
    """Nobody asks for them, and they do not stay."""
    bench = Bench(places=3)
    for connection in [await bench.acquire() for _ in range(3)]:
        connection.start(HEAD, b"", Limits())
    for wire in bench.wires:
        wire.say(WHOLE)
    await asyncio.sleep(61)
    assert all(wire.is_closed for wire in bench.wires)
