"""Dialling leaves nothing behind: whatever instant it is given up at, the server sees the connection close."""

from __future__ import annotations

import asyncio

import pytest
from fault_server import FaultServer, Guest

from backstay.transport.http import HTTPTransport
from backstay.wire import HTTPRequest

TURNS = 16
"""Turns of the loop until a dial waits for the server's part of the TLS handshake, and a few more."""


async def say_nothing(guest: Guest) -> None:
    """Accept the connection, take the client's greeting, never answer it."""
    await guest.gone()


@pytest.mark.server
@pytest.mark.parametrize("turns", range(TURNS))
async def test_a_handshake_given_up_at_any_turn_closes_its_socket(turns: int) -> None:
    """asyncio's own TLS dial, cancelled before its handshake begins, goes on with it and keeps the socket."""
    async with FaultServer(say_nothing) as server:
        transport = HTTPTransport()
        dial = asyncio.ensure_future(transport.send(HTTPRequest(url=f"https://127.0.0.1:{server.port}/")))
        for _ in range(turns):
            await asyncio.sleep(0)
        dial.cancel()
        await asyncio.gather(dial, return_exceptions=True)
        assert dial.cancelled()
        await server.quiet()
        await transport.aclose()
    assert len(asyncio.all_tasks()) == 1


@pytest.mark.server
async def test_the_sweep_reaches_the_handshake() -> None:
    """The turns above are enough: after them the client's half of the handshake has arrived."""
    async with FaultServer(say_nothing) as server:
        transport = HTTPTransport()
        dial = asyncio.ensure_future(transport.send(HTTPRequest(url=f"https://127.0.0.1:{server.port}/")))
        while not server.connections:
            await asyncio.sleep(0)
        assert not dial.done()
        dial.cancel()
        await asyncio.gather(dial, return_exceptions=True)
        await server.quiet()
        await transport.aclose()
