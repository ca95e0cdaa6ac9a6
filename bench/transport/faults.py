"""What each client says of each fault, over real sockets: the question behind it is whether a retry may pay twice.

    python bench/transport/faults.py    a row for each fault, a column for each client that is installed; 20 s

"never sent" and "sent" must be told apart by type, a broken body must never look whole, a key must not follow a redirect to
another host, and an abandoned request must close its socket, because providers bill what is still being read.
"""

from __future__ import annotations

import asyncio
import gzip
import importlib.util
import socket
import struct
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "src"))

LIMIT = 0.4
PATIENCE = 3.0
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
HEADERS = {"x-api-key": "sk-canary"}
Script = Callable[["Guest"], Awaitable[None]]


class Guest:
    """One connection on the server's side."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def reset(self) -> None:
        self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def gone(self) -> None:
        with suppress(ConnectionError):
            while await self.reader.read(1 << 16):
                pass


class Server:
    """Plays a script for each connection; `left` counts those that the client has not closed."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.left = 0
        self.keys = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.left += 1
        guest = Guest(reader, writer)
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                head = await reader.readuntil(b"\r\n\r\n")
                self.keys += b"sk-canary" in head
                await self.script(guest)
                await guest.gone()
        finally:
            self.left -= 1
            writer.transport.abort()

    async def start(self) -> tuple[asyncio.Server, str]:
        server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        return server, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"


def sending(*pieces: bytes, then: str = "hang") -> Script:
    async def script(guest: Guest) -> None:
        for piece in pieces:
            guest.writer.write(piece)
            await guest.writer.drain()
            await asyncio.sleep(0.02)
        if then == "reset":
            guest.reset()
        elif then == "close":
            guest.writer.close()

    return script


BOMB = gzip.compress(bytes(400 << 20))
CASES: dict[str, Script] = {
    "reset before headers": sending(then="reset"),
    "close before headers": sending(then="close"),
    "hang before headers": sending(),
    "hang after headers": sending(HEAD + b"transfer-encoding: chunked\r\n\r\n"),
    "stall in the body": sending(HEAD + b"transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n"),
    "reset in the body": sending(HEAD + b"content-length: 100\r\n\r\nhello", then="reset"),
    "cut content-length": sending(HEAD + b"content-length: 100\r\n\r\nhello", then="close"),
    "cut chunked body": sending(HEAD + b"transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n", then="close"),
    "garbage": sending(b"\x00SSH-2.0-OpenSSH\r\n"),
    "1 MiB of headers": sending(HEAD + b"x-filler: " + b"a" * (1 << 20)),
    "400 MiB gzip bomb": sending(HEAD + b"content-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(BOMB) + BOMB),
}


async def backstay(url: str, headers: dict[str, str]) -> bytes:
    from backstay.transport.base import Timeouts
    from backstay.transport.http import HTTPTransport
    from backstay.wire import HTTPRequest

    transport = HTTPTransport()
    limits = Timeouts(connect=LIMIT, first_event=LIMIT, between_events=LIMIT, total=10.0)
    try:
        raw = await transport.send(HTTPRequest(url=url, headers=headers, body=b"{}"), timeouts=limits)
        return await raw.read()
    finally:
        await transport.aclose()


async def aiohttp(url: str, headers: dict[str, str]) -> bytes:
    import aiohttp as library

    timeout = library.ClientTimeout(total=10, sock_connect=LIMIT, sock_read=LIMIT)
    async with (
        library.ClientSession(timeout=timeout) as session,
        session.post(url, data=b"{}", headers=headers) as answer,
    ):
        return await answer.read()


async def httpx2(url: str, headers: dict[str, str]) -> bytes:
    import httpx2 as library

    async with library.AsyncClient(timeout=LIMIT, trust_env=False) as client:
        return (await client.post(url, content=b"{}", headers=headers)).content


async def pyreqwest(url: str, headers: dict[str, str]) -> bytes:
    from datetime import timedelta

    from pyreqwest.client import ClientBuilder

    limit = timedelta(seconds=LIMIT)
    async with (
        ClientBuilder().connect_timeout(limit).read_timeout(limit).timeout(timedelta(seconds=10)).build() as client
    ):
        answer = await client.post(url).headers(headers).body_bytes(b"{}").build().send()
        return bytes(await answer.bytes())


Ask = Callable[[str, dict[str, str]], Awaitable[bytes]]
PEERS: dict[str, Ask] = {"backstay": backstay, "aiohttp": aiohttp, "httpx2": httpx2, "pyreqwest": pyreqwest}


async def outcome(ask: Ask, url: str, headers: dict[str, str]) -> str:
    """The error's class with what it knows of the request, or what came back."""
    try:
        async with asyncio.timeout(PATIENCE):
            body = await ask(url, headers)
    except TimeoutError as error:
        return "hangs" if type(error) is TimeoutError else name_of(error)
    except Exception as error:  # noqa: BLE001  every class that a peer may raise is the answer here
        return name_of(error)
    return f"{len(body)} bytes, no error"


def name_of(error: BaseException) -> str:
    facts = [
        f"{getattr(error, 'phase', '')}".strip(),
        {True: "sent", False: "never sent"}.get(getattr(error, "sent", None), ""),
    ]
    known = ", ".join(fact for fact in facts if fact)
    return type(error).__name__ + (f" ({known})" if known else "")


async def on_server(ask: Ask, script: Script) -> str:
    server = Server(script)
    listening, url = await server.start()
    try:
        said = await outcome(ask, url, HEADERS)
        for _ in range(20):
            if not server.left:
                break
            await asyncio.sleep(0.02)
        return said + (" and leaves the socket open" if server.left else "")
    finally:
        listening.close()


async def redirected(ask: Ask) -> str:
    """A 307 to another origin, with the client's own default: how many keys arrive there."""
    canary = Server(sending(HEAD + b"content-length: 2\r\n\r\n{}", then="close"))
    elsewhere, target = await canary.start()
    location = target.replace("127.0.0.1", "localhost").encode()
    moved = b"HTTP/1.1 307 Moved\r\ncontent-length: 0\r\nlocation: " + location + b"\r\n\r\n"
    try:
        await on_server(ask, sending(moved, then="close"))
        return f"{canary.keys} key(s) sent to the other host"
    finally:
        elsewhere.close()


async def cancelled(ask: Ask) -> str:
    server = Server(sending(HEAD + b"transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n"))
    listening, url = await server.start()
    task = asyncio.ensure_future(ask(url, HEADERS))
    await asyncio.sleep(LIMIT / 2)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await asyncio.sleep(0.1)
    listening.close()
    return "socket open after 0.1 s" if server.left else "socket closed"


async def injected(ask: Ask) -> str:
    server = Server(sending(HEAD + b"content-length: 2\r\n\r\n{}", then="close"))
    listening, url = await server.start()
    said = await outcome(ask, url, {"x-tenant": "a\r\nx-evil: 1"})
    listening.close()
    return said


async def refused(ask: Ask) -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    return await outcome(ask, f"http://127.0.0.1:{port}/v1", HEADERS)


async def table() -> None:
    """Print the outcomes, a row for each fault and a column for each client that is installed."""
    peers = {name: ask for name, ask in PEERS.items() if name == "backstay" or importlib.util.find_spec(name)}
    rows: dict[str, list[str]] = {
        "connection refused": [await refused(ask) for ask in peers.values()],
        "no such host": [await outcome(ask, "http://nowhere.invalid/v1", HEADERS) for ask in peers.values()],
        "line break in a header": [await injected(ask) for ask in peers.values()],
    }
    for fault, script in CASES.items():
        rows[fault] = [await on_server(ask, script) for ask in peers.values()]
    rows["cancelled in the body"] = [await cancelled(ask) for ask in peers.values()]
    rows["307 to another host"] = [await redirected(ask) for ask in peers.values()]
    print("| fault | " + " | ".join(peers) + " |\n|---|" + "---|" * len(peers))
    for fault, cells in rows.items():
        print(f"| {fault} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    asyncio.run(table())
