"""The real transport over real sockets: reuse, cancellation, closing, fairness, backpressure."""

from __future__ import annotations

import asyncio
import gc
import threading

import pytest
from fault_server import FaultServer, Guest, always, answer, chunked

from backstay.errors import ConnectFailed, ProtocolError, ReadFailed, TimedOut
from backstay.transport.base import Timeouts
from backstay.transport.http import HTTPTransport
from backstay.wire import HTTPRequest

pytestmark = pytest.mark.server


def post(server: FaultServer, body: bytes = b"{}") -> HTTPRequest:
    return HTTPRequest(url=server.url(), body=body)


async def once_then_close(guest: Guest) -> None:
    """A server that closes a connection after its first answer without saying so."""
    await guest.request()
    await guest.send(answer(b"one"))


async def begins(guest: Guest) -> None:
    """A server whose stream begins and never ends."""
    await guest.request()
    await guest.send(chunked(b"first", is_whole=False))
    await guest.gone()


async def test_connections_are_kept() -> None:
    """Ten calls one after another use one connection."""
    transport = HTTPTransport()
    async with FaultServer(always(answer(b"ok"))) as server:
        for _ in range(10):
            assert await (await transport.send(post(server))).read() == b"ok"
        assert (server.connections, len(server.requests)) == (1, 10)
        await transport.aclose()
        await server.quiet()


async def test_an_answer_closed_early_closes_its_connection() -> None:
    """A stream that is left in the middle is not read to its end, and its connection carries nothing else."""
    transport = HTTPTransport()
    async with FaultServer(begins) as server:
        response = await transport.send(post(server))
        assert await anext(response) == b"first"
        await response.aclose()
        await response.aclose()
        await server.quiet()
        with pytest.raises(ReadFailed, match="closed before its end"):
            await response.read()


async def test_an_answer_that_is_lost_closes_its_connection() -> None:
    """Without aclose, the garbage collector ends the exchange."""
    transport = HTTPTransport()
    async with FaultServer(begins) as server:
        response = await transport.send(post(server))
        del response
        gc.collect()
        await server.quiet()


@pytest.mark.parametrize("closing", [once_then_close, always(answer(b"one", headers="connection: close\r\n"))])
async def test_a_closed_connection_is_not_used_again(closing: object) -> None:
    """Neither one that the server closed in silence nor one that it said it would close."""
    transport = HTTPTransport()
    async with FaultServer(closing) as server:  # type: ignore[arg-type]
        for _ in range(3):
            assert await (await transport.send(post(server))).read() == b"one"
            if closing is once_then_close:
                await server.quiet()
        assert server.connections == 3


@pytest.mark.parametrize("extra", [b"garbage", answer(b"not yours"), b"\0", b"HTTP/1.1 200 OK\r\ncontent-le"])
async def test_bytes_after_an_answer_never_begin_the_next(extra: bytes) -> None:
    """What follows a whole answer in the same packet spoils the connection, not the next call."""

    async def handler(guest: Guest) -> None:
        await guest.request()
        await guest.send(answer(b"mine") + extra)
        await guest.gone()

    transport = HTTPTransport()
    async with FaultServer(handler) as server:
        for _ in range(2):
            assert await (await transport.send(post(server))).read() == b"mine"
        await server.quiet()
        assert server.connections == 2


async def test_cancelling_at_every_point_leaves_nothing() -> None:
    """Cancelled after k rounds of the loop, for every k up to the end: the connection closes, and the next call works."""
    transport = HTTPTransport()
    pieces = [b"HTTP/1.1 200 OK\r\ntransfer-", b"encoding: chunked\r\n\r\n", b"1\r\na\r\n", b"1\r\nb\r\n", b"0\r\n\r\n"]

    async def handler(guest: Guest) -> None:
        while True:
            await guest.request()
            for piece in pieces:
                await guest.send(piece)
                await asyncio.sleep(0)

    async def call(server: FaultServer) -> bytes:
        return await (await transport.send(post(server))).read()

    async with FaultServer(handler) as server:
        cancelled = 0
        for rounds in range(400):
            task = asyncio.ensure_future(call(server))
            for _ in range(rounds):
                await asyncio.sleep(0)
            task.cancel()
            (result,) = await asyncio.gather(task, return_exceptions=True)
            if result == b"ab":
                break
            assert isinstance(result, asyncio.CancelledError)
            cancelled += 1
        assert cancelled > 5
        assert await call(server) == b"ab"
        await transport.aclose()
        await server.quiet()
    assert len(asyncio.all_tasks()) == 1


async def test_cancelling_closes_the_socket_at_once() -> None:
    """The server sees the end of a call that was cancelled while it waited for the head, and of one inside its stream."""
    transport = HTTPTransport()
    arrived = asyncio.Event()

    async def silent(guest: Guest) -> None:
        await guest.request()
        arrived.set()
        await guest.gone()

    async with FaultServer(silent) as server:
        task = asyncio.ensure_future(transport.send(post(server)))
        await arrived.wait()
        task.cancel()
        await server.quiet()
        assert task.cancelled()


async def test_closing_the_transport_fails_what_is_under_way() -> None:
    """An answer without a length does not look whole because we closed it ourselves."""
    transport = HTTPTransport()

    async def handler(guest: Guest) -> None:
        await guest.request()
        await guest.send(b"HTTP/1.1 200 OK\r\n\r\nfirst")
        await guest.gone()

    async with FaultServer(handler) as server:
        response = await transport.send(post(server))
        assert await anext(response) == b"first"
        await transport.aclose()
        await transport.aclose()
        with pytest.raises(ReadFailed):
            await anext(response)
        await server.quiet()


async def test_one_transport_in_two_loops() -> None:
    """Each loop has connections of its own, in threads at the same time."""
    transport = HTTPTransport()
    bodies: list[bytes] = []

    async def main() -> None:
        async with FaultServer(always(answer(b"ok"))) as server:
            bodies.append(await (await transport.send(post(server))).read())
            bodies.append(await (await transport.send(post(server))).read())
            assert server.connections == 1

    thread = threading.Thread(target=asyncio.run, args=(main(),))
    thread.start()
    await main()
    await asyncio.get_running_loop().run_in_executor(None, thread.join)
    assert bodies == [b"ok"] * 4
    await transport.aclose()


async def test_the_line_for_a_connection_is_fair() -> None:
    """With two places for twenty calls, they are served in the order in which they came, never more than two at once."""
    transport = HTTPTransport(max_connections=2)
    running = peak = 0

    async def handler(guest: Guest) -> None:
        nonlocal running, peak
        while True:
            await guest.request()
            running += 1
            peak = max(peak, running)
            await asyncio.sleep(0)
            running -= 1
            await guest.send(answer())

    async with FaultServer(handler) as server:
        done: list[int] = []

        async def call(number: int) -> None:
            await (await transport.send(post(server, b"%d" % number))).read()
            done.append(number)

        async with asyncio.TaskGroup() as group:
            for number in range(20):
                group.create_task(call(number))
        assert peak == 2
        assert server.connections == 2
        assert [int(received.body) for received in server.requests] == sorted(done)
        await transport.aclose()


async def test_waiting_for_a_place_is_not_connecting_and_leaves_no_ghost() -> None:
    """Who waits until the end of the call, or is cancelled, gives the place to the next; nothing of it was sent."""
    transport = HTTPTransport(max_connections=1)
    async with FaultServer(begins) as server:
        first = await transport.send(post(server))
        with pytest.raises(TimedOut) as caught:
            await transport.send(post(server), timeouts=Timeouts(connect=0.01, total=0.05))
        assert (caught.value.phase, caught.value.sent, caught.value.retryable) == ("total", False, False)
        waiting = asyncio.ensure_future(transport.send(post(server)))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await first.aclose()
        second = await transport.send(post(server), timeouts=Timeouts(connect=2))
        assert await anext(second) == b"first"
        assert len(server.requests) == 2
        await transport.aclose()


async def test_a_slow_reader_slows_the_server_and_fills_no_memory() -> None:
    """Of 64 MiB on offer, only what the buffers hold leaves the server before the reader begins; then all of it arrives."""
    size, piece = 64 << 20, bytes(1 << 16)
    sent = 0
    stuck = asyncio.Event()

    async def handler(guest: Guest) -> None:
        nonlocal sent
        await guest.request()
        guest.writer.transport.set_write_buffer_limits(high=0)
        guest.writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size)
        for _ in range(size // len(piece)):
            guest.writer.write(piece)
            sent += len(piece)
            asyncio.get_running_loop().call_later(0.15, check, sent)
            await guest.writer.drain()
        await guest.gone()

    def check(then: int) -> None:
        if sent == then:
            stuck.set()

    transport = HTTPTransport()
    async with FaultServer(handler) as server:
        response = await transport.send(post(server))
        await stuck.wait()
        assert sent < size // 2
        assert len(await anext(response)) < 1 << 20
        assert sum([len(chunk) async for chunk in response]) > size - (1 << 20)
        await transport.aclose()


async def test_a_bound_on_read_closes_the_connection() -> None:
    """`read(max_bytes)` takes no more than that, and a body of exactly that size."""
    transport = HTTPTransport()
    async with FaultServer(always(answer(b"12345"))) as server:
        assert await (await transport.send(post(server))).read(5) == b"12345"
    async with FaultServer(begins) as server:
        response = await transport.send(post(server))
        with pytest.raises(ProtocolError, match="more than 4 bytes"):
            await response.read(4)
        await server.quiet()


async def test_two_readers_of_one_answer_are_a_mistake() -> None:
    """The second one is told so; it does not steal or hang."""
    transport = HTTPTransport()
    async with FaultServer(begins) as server:
        response = await transport.send(post(server))
        assert await anext(response) == b"first"
        one = asyncio.ensure_future(response.read())
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="another task"):
            await response.read()
        one.cancel()
        await asyncio.gather(one, return_exceptions=True)
        await transport.aclose()


async def test_nobody_listens() -> None:
    """A refused connection is ConnectFailed: nothing was sent, and it may be tried again."""
    async with FaultServer(begins) as server:
        url = server.url()
    with pytest.raises(ConnectFailed) as caught:
        await HTTPTransport().send(HTTPRequest(url=url))
    assert (caught.value.sent, caught.value.retryable) == (False, True)


async def test_a_name_that_does_not_exist() -> None:
    """So is a host that cannot be resolved; the error names it."""
    with pytest.raises(ConnectFailed, match=r"nowhere\.invalid") as caught:
        await HTTPTransport().send(HTTPRequest(url="http://nowhere.invalid/"))
    assert not caught.value.sent


async def test_a_deadline_that_has_passed() -> None:
    """Nothing is opened for it."""
    async with FaultServer(begins) as server:
        with pytest.raises(TimedOut) as caught:
            await HTTPTransport().send(post(server), deadline=asyncio.get_running_loop().time() - 1)
        assert (caught.value.phase, caught.value.sent, server.connections) == ("total", False, 0)


async def test_an_answer_to_head_has_no_body() -> None:
    """Its content-length is that of the answer to GET; the connection is not used again, since llhttp cannot know."""
    async with FaultServer(always(answer(b"x" * 500)[:-500])) as server:
        transport = HTTPTransport()
        for _ in range(2):
            raw = await transport.send(HTTPRequest(method="HEAD", url=server.url()), timeouts=Timeouts(first_event=2))
            assert (raw.status, await raw.read(), raw.headers["content-length"]) == (200, b"", "500")
        assert server.connections == 2
        assert "content-length" not in server.requests[0].headers
        await transport.aclose()
        await server.quiet()
