"""The clients under measurement, each behind the same two functions: `whole` reads a body, `stream` counts its bytes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

BODY = b'{"model": "m", "messages": [{"role": "user", "content": "Why is the sky blue?"}]}'
HEADERS = {"content-type": "application/json", "authorization": "Bearer benchmark"}


class Peer(NamedTuple):
    whole: Callable[[str], Awaitable[bytes]]
    stream: Callable[[str], Awaitable[int]]
    close: Callable[[], Awaitable[Any]]


async def ours() -> Peer:
    from backstay.transport.http import HTTPTransport
    from backstay.wire import HTTPRequest

    transport = HTTPTransport()

    async def whole(url: str) -> bytes:
        return await (await transport.send(HTTPRequest(url=url, headers=HEADERS, body=BODY))).read()

    async def stream(url: str) -> int:
        return sum(
            [len(chunk) async for chunk in await transport.send(HTTPRequest(url=url, headers=HEADERS, body=BODY))]
        )

    return Peer(whole, stream, transport.aclose)


async def aiohttp() -> Peer:
    from aiohttp import ClientSession, TCPConnector

    session = ClientSession(connector=TCPConnector(limit=1000))

    async def whole(url: str) -> bytes:
        async with session.post(url, headers=HEADERS, data=BODY) as response:
            return await response.read()

    async def stream(url: str) -> int:
        async with session.post(url, headers=HEADERS, data=BODY) as response:
            return sum([len(chunk) async for chunk in response.content.iter_any()])

    return Peer(whole, stream, session.close)


async def httpx2() -> Peer:
    from httpx2 import AsyncClient, Limits

    client = AsyncClient(limits=Limits(max_connections=1000, max_keepalive_connections=1000), trust_env=False)

    async def whole(url: str) -> bytes:
        return (await client.post(url, headers=HEADERS, content=BODY)).content

    async def stream(url: str) -> int:
        async with client.stream("POST", url, headers=HEADERS, content=BODY) as response:
            return sum([len(chunk) async for chunk in response.aiter_raw()])

    return Peer(whole, stream, client.aclose)


async def pyreqwest() -> Peer:
    from pyreqwest.client import ClientBuilder

    client = ClientBuilder().build()

    async def whole(url: str) -> bytes:
        response = await client.post(url).headers(HEADERS).body_bytes(BODY).build().send()
        return bytes(await response.bytes())

    async def stream(url: str) -> int:
        size = 0
        request = client.post(url).headers(HEADERS).body_bytes(BODY).streamed_read_buffer_limit(0).build_streamed()
        async with request as response:
            while (chunk := await response.body_reader.read_chunk()) is not None:
                size += len(chunk)
        return size

    return Peer(whole, stream, client.close)


PEERS = {"backstay": ours, "aiohttp": aiohttp, "httpx2": httpx2, "pyreqwest": pyreqwest}
