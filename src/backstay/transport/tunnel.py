"""Tunnel: a way through an HTTP proxy to a TLS server (CONNECT, RFC 9110 section 9.3.6)."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import Any

from backstay.errors import ConnectFailed
from backstay.transport.address import Address
from backstay.transport.connection import Connection
from backstay.transport.proxy import Proxy

MAX_HEAD = 1 << 14


async def open_tunnel(
    loop: asyncio.AbstractEventLoop,
    sock: socket.socket,
    proxy: Proxy,
    address: Address,
    *,
    tls: ssl.SSLContext,
    make: Callable[[], Connection],
) -> Connection:
    """A connection to `address` with TLS inside a tunnel through the proxy at the other end of `sock`. Raises ConnectFailed."""
    transport, greeting = await loop.create_connection(lambda: _Greeting(loop), sock=sock)
    try:
        transport.write(_request(proxy, address))
        status = await greeting.status
        if not 200 <= status < 300:
            reason = f"{address.peer}: the proxy {proxy.address.peer} refused the tunnel (status {status})"
            raise ConnectFailed(reason, retryable=status >= 500)
        connection = make()
        inner = await loop.start_tls(transport, connection, tls, server_hostname=address.host)
        if inner is None:  # what start_tls returns when the transport was closed under it
            raise ConnectionResetError("the proxy closed the tunnel")
        connection.connection_made(inner)
    except BaseException:
        transport.abort()
        raise
    return connection


def _request(proxy: Proxy, address: Address) -> bytes:
    lines = [f"CONNECT {address.peer} HTTP/1.1", f"host: {address.peer}"]
    if proxy.authorization is not None:
        lines.append(f"proxy-authorization: {proxy.authorization.reveal()}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")


class _Greeting(asyncio.Protocol):
    """Reads the proxy's answer to CONNECT: its status. Nothing may follow it before our side speaks TLS."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.status: asyncio.Future[int] = loop.create_future()
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
            self.status.set_exception(ConnectFailed("the proxy does not speak HTTP"))
        else:
            self.status.set_result(int(words[1]))

    def connection_lost(self, exc: Any) -> None:
        if not self.status.done():
            self.status.set_exception(exc or ConnectionResetError("the proxy closed the connection"))
