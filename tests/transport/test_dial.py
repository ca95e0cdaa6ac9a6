"""Dialling leaves nothing behind: whatever instant it is given up at, the connection closes on both sides."""

from __future__ import annotations

import asyncio
import os
import ssl

import pytest
import trustme
from fault_server import FaultServer, Guest, always, answer

from backstay.transport.base import Timeouts
from backstay.transport.http import HTTPTransport
from backstay.wire import HTTPRequest

AFTERMATH = 100
"""Turns of the loop after which both sides have done what a closed connection makes them do."""


@pytest.fixture(scope="module")
def contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's context and a client's that trusts it."""
    authority = trustme.CA()
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(server)
    authority.configure_trust(client)
    return server, client


async def turn(count: int) -> None:
    """Let everything that is ready run, `count` times."""
    for _ in range(count):
        await asyncio.sleep(0)


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.server
@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="counts open files in /proc")
async def test_a_dial_given_up_at_any_turn_closes_its_socket(contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    """`create_connection(ssl=...)`, cancelled at the wrong turn, keeps its socket: TLS is begun by hand for this reason."""
    turns, is_whole = 0, False
    async with FaultServer(always(answer(b"ok")), tls=contexts[0]) as server:
        before = open_files()
        while not is_whole:
            transport = HTTPTransport(tls=contexts[1])
            call = asyncio.ensure_future(transport.send(HTTPRequest(url=server.url(), body=b"{}")))
            await turn(turns)
            is_whole = call.done()
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)
            await transport.aclose()
            await turn(AFTERMATH)
            await server.quiet()
            assert (turns, open_files()) == (turns, before)
            assert len(asyncio.all_tasks()) == 1
            turns += 1
    assert turns > 10


@pytest.mark.server
@pytest.mark.parametrize("is_tls", [False, True], ids=["tcp", "tls"])
async def test_an_early_answer_does_not_free_the_connection(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext], is_tls: bool
) -> None:
    """A whole answer that came before the whole request is good, but what is left of the request must not meet the next one."""

    async def refuse(guest: Guest) -> None:
        await guest.reader.readuntil(b"\r\n\r\n")
        guest.writer.transport.pause_reading()
        await guest.send(answer(b"too big", status="413 Content Too Large"))
        await stop.wait()

    stop = asyncio.Event()
    async with FaultServer(refuse, tls=contexts[0] if is_tls else None) as server:
        transport = HTTPTransport(tls=contexts[1])
        for _ in range(2):
            raw = await transport.send(
                HTTPRequest(url=server.url(), body=bytes(30 << 20)), timeouts=Timeouts(first_event=5)
            )
            assert (raw.status, await raw.read()) == (413, b"too big")
        assert server.connections == 2
        await transport.aclose()
        stop.set()
