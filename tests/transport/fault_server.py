"""A server on loopback that does to its client exactly what a test says, byte by byte, over real sockets."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, NamedTuple, Self

PATIENCE = 5.0
"""Seconds after which a test that waits for the client is called hung; nothing takes as long."""


class Received(NamedTuple):
    """One request as it arrived: its first line, its headers by lower-case name, its body."""

    line: str
    headers: dict[str, str]
    body: bytes
    head: bytes


class Guest:
    """One client connection, seen from the server."""

    def __init__(self, server: FaultServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.server = server
        self.reader = reader
        self.writer = writer

    async def request(self) -> Received:
        """The next request of this connection. Raises IncompleteReadError when the client has gone."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        line, *fields = head.decode("latin-1").rstrip("\r\n").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)}
        body = await self.reader.readexactly(int(headers.get("content-length", "0")))
        received = Received(line, headers, body, head)
        self.server.requests.append(received)
        return received

    async def send(self, data: bytes) -> None:
        """Write `data` and wait until the client's window took it."""
        self.writer.write(data)
        await self.writer.drain()

    def reset(self) -> None:
        """Close with a TCP reset."""
        self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def gone(self) -> None:
        """Wait until the client closes its side."""
        with suppress(ConnectionError):
            while await self.reader.read(1 << 16):
                pass


Handler = Callable[[Guest], Awaitable[None]]


class FaultServer:
    """`async with FaultServer(handler) as server`: each connection is given to `handler`; leaving it waits for none."""

    def __init__(self, handler: Handler, *, tls: ssl.SSLContext | None = None) -> None:
        self._handler = handler
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._quiet = asyncio.Event()
        self._quiet.set()
        self.requests: list[Received] = []
        self.connections = 0
        self.port = 0

    def url(self, path: str = "/v1/chat/completions") -> str:
        """An address on this server."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}{path}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._quiet.clear()
        task = asyncio.get_running_loop().create_task(self._run(Guest(self, reader, writer)))
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not self._tasks:
            self._quiet.set()

    async def _run(self, guest: Guest) -> None:
        try:
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                await self._handler(guest)
        finally:
            guest.writer.transport.close()
            with suppress(ConnectionError, ssl.SSLError):
                await guest.writer.wait_closed()

    async def quiet(self) -> None:
        """Wait until every connection has ended: with a handler that ends by `gone`, until the client closed its socket."""
        async with asyncio.timeout(PATIENCE):
            await self._quiet.wait()

    async def __aexit__(self, *_: Any) -> None:
        assert self._server is not None
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def answer(body: bytes = b"{}", *, status: str = "200 OK", headers: str = "") -> bytes:
    """A whole answer with a length."""
    return f"HTTP/1.1 {status}\r\n{headers}content-length: {len(body)}\r\n\r\n".encode() + body


def chunked(*pieces: bytes, is_whole: bool = True, headers: str = "") -> bytes:
    """A chunked answer, without its last chunk unless `is_whole`."""
    head = f"HTTP/1.1 200 OK\r\n{headers}transfer-encoding: chunked\r\n\r\n".encode()
    return head + b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n" * is_whole


def always(data: bytes) -> Handler:
    """A server that answers every request with `data` and keeps the connection open."""

    async def handler(guest: Guest) -> None:
        while True:
            await guest.request()
            await guest.send(data)

    return handler
