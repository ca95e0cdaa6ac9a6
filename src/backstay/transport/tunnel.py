"""Tunnel: a way through an HTTP proxy to a TLS server (CONNECT, RFC 9110 section 9.3.6)."""

from __future__ import annotations

import asyncio
from typing import Any

from backstay.errors import ConnectFailed
from backstay.transport.address import Address
from backstay.transport.proxy import Proxy

MAX_HEAD = 1 << 14


async def pass_through(transport: asyncio.WriteTransport, greeting: Greeting, proxy: Proxy, address: Address) -> None:
    """Ask the proxy at the other end of `transport` for a tunnel to `address`. Raises ConnectFailed when it refuses."""
    transport.write(_request(proxy, address))
    status = await greeting.status
    if status is None:
        raise ConnectFailed(f"{address.peer}: the proxy {proxy.address.peer} closed the connection, or speaks no HTTP")
    if not 200 <= status < 300:
        reason = f"{address.peer}: the proxy {proxy.address.peer} refused the tunnel (status {status})"
        raise ConnectFailed(reason, retryable=status >= 500)


def _request(proxy: Proxy, address: Address) -> bytes:
    lines = [f"CONNECT {address.peer} HTTP/1.1", f"host: {address.peer}"]
    if proxy.authorization is not None:
        lines.append(f"proxy-authorization: {proxy.authorization.reveal()}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")


class Greeting(asyncio.Protocol):
    """Reads the proxy's answer to CONNECT: its status, None for what is none. Nothing may follow it before we speak TLS."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.status: asyncio.Future[int | None] = loop.create_future()
        self._head = b""

    def data_received(self, data: bytes) -> None:
        self._head += data
        head, found, rest = self._head.partition(b"\r\n\r\n")
        words = head.split(None, 2)
        if self.status.done():
            return
        if not found and len(self._head) <= MAX_HEAD:
            return
        if not found or rest or len(words) < 2 or not words[0].startswith(b"HTTP/1.") or not words[1].isdigit():
            self.status.set_result(None)
        else:
            self.status.set_result(int(words[1]))

    def connection_lost(self, exc: Any) -> None:
        if not self.status.done():
            self.status.set_result(None)
