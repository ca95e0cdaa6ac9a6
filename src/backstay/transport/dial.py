"""Dial: opens one connection, straight or through a proxy, TCP and TLS; what can go wrong becomes `ConnectFailed`.

A host with several addresses is tried by Happy Eyeballs (RFC 8305): families take turns, and a new attempt starts when the last
one failed or a quarter of a second went by. It is written out here, because not every event loop offers it and because a
cancelled race must not leave a socket open.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import Callable, Iterable
from contextlib import suppress
from itertools import chain, zip_longest
from typing import Any

from backstay.errors import ConnectFailed
from backstay.transport.address import Address
from backstay.transport.connection import Connection
from backstay.transport.proxy import Proxy
from backstay.transport.tunnel import Greeting, pass_through

STAGGER = 0.25
"""Seconds until the next address is tried as well (RFC 8305 section 8)."""

KEEPALIVE = (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 30), ("TCP_KEEPCNT", 5))
"""A model may think for ten minutes without sending a byte; probes keep a NAT from forgetting the connection."""

Info = tuple[int, int, int, str, Any]


class Dialer:
    """Opens connections to any address. `tls` makes the context when it is first needed: reading a trust store takes 20 ms."""

    def __init__(self, *, tls: Callable[[], ssl.SSLContext], proxy: Proxy | None) -> None:
        self._tls = tls
        self._proxy = proxy

    def proxy_for(self, address: Address) -> Proxy | None:
        """The proxy that requests to `address` go through."""
        return self._proxy if self._proxy is not None and self._proxy.is_for(address) else None

    async def open(self, address: Address, make: Callable[[], Connection]) -> Connection:
        """A new connection to `address`, from `make`, ready for its first request. Raises ConnectFailed."""
        try:
            return await self._open(address, make)
        except ssl.SSLCertVerificationError as error:
            reason = f"{address.peer}: its certificate is not trusted: {error.verify_message}"
            raise ConnectFailed(reason, retryable=False) from error
        except ssl.SSLError as error:
            raise ConnectFailed(f"{address.peer}: TLS failed: {error.reason or 'the connection was closed'}") from error
        except socket.gaierror as error:
            raise ConnectFailed(f"{self._next_hop(address)}: no such host ({error.strerror})") from error
        except OSError as error:
            raise ConnectFailed(f"{self._next_hop(address)}: cannot connect ({_reason(error)})") from error

    def _next_hop(self, address: Address) -> str:
        proxy = self.proxy_for(address)
        return address.peer if proxy is None else f"{address.peer} through the proxy {proxy.address.peer}"

    async def _open(self, address: Address, make: Callable[[], Connection]) -> Connection:
        loop = asyncio.get_running_loop()
        proxy = self.proxy_for(address)
        tls = self._tls() if address.is_tls else None
        sock = await connect(
            loop, *((address.host, address.port) if proxy is None else (proxy.address.host, proxy.address.port))
        )
        if tls is None:
            _, connection = await loop.create_connection(make, sock=sock)
            return connection
        # TLS is begun by hand: `create_connection(ssl=...)` that is cancelled at its start leaves the socket open for good.
        transport, greeting = await loop.create_connection(lambda: Greeting(loop), sock=sock)
        try:
            if proxy is not None:
                await pass_through(transport, greeting, proxy, address)
            connection = make()
            secured = await loop.start_tls(transport, connection, tls, server_hostname=address.host)
            if secured is None:  # the other side closed during the handshake
                raise ConnectionResetError("the connection was closed during the TLS handshake")
            connection.connection_made(secured, transport)
        except BaseException:
            transport.abort()
            raise
        return connection


def _reason(error: OSError) -> str:
    """The system's words for `error`; asyncio's own say the address once more."""
    return os.strerror(error.errno) if error.errno else str(error)


async def connect(loop: asyncio.AbstractEventLoop, host: str, port: int) -> socket.socket:
    """A connected TCP socket to the first address of `host` that answers. Raises the OSError of the first that did not."""
    infos = interleave(await _resolve(loop, host, port))
    racing: set[asyncio.Task[socket.socket]] = set()
    first: OSError | None = None
    try:
        while infos or racing:
            if infos:
                racing.add(loop.create_task(_connect_one(loop, infos.pop(0))))
            done, racing = await asyncio.wait(
                racing, timeout=STAGGER if infos else None, return_when=asyncio.FIRST_COMPLETED
            )
            for number, task in enumerate(finished := list(done)):
                if (error := task.exception()) is None:
                    racing.update(finished[number + 1 :])  # those that came in at the same instant lost
                    return task.result()
                if not isinstance(error, OSError):
                    raise error
                first = first or error
    finally:
        for task in racing:
            task.add_done_callback(_close_loser)
            task.cancel()
    raise first or OSError(f"{host} has no address")


async def _connect_one(loop: asyncio.AbstractEventLoop, info: Info) -> socket.socket:
    family, kind, protocol, _, place = info
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setblocking(False)
        _tune(sock)
        await loop.sock_connect(sock, place)
    except BaseException:
        sock.close()
        raise
    return sock


def _close_loser(task: asyncio.Task[socket.socket]) -> None:
    if not task.cancelled() and task.exception() is None:
        task.result().close()


def _tune(sock: socket.socket) -> None:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in KEEPALIVE:
        if (option := getattr(socket, name, None)) is not None:
            with suppress(OSError):  # a system that knows the name but not the option keeps its own timing
                sock.setsockopt(socket.IPPROTO_TCP, option, value)


async def _resolve(loop: asyncio.AbstractEventLoop, host: str, port: int) -> list[Info]:
    for family in (socket.AF_INET, socket.AF_INET6):
        with suppress(OSError):
            socket.inet_pton(family, host)
            return [(family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (host, port))]
    infos = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return list(infos)


def interleave(infos: Iterable[Info]) -> list[Info]:
    """The addresses with their families taking turns, each family in the resolver's order."""
    by_family: dict[int, list[Info]] = {}
    for info in infos:
        by_family.setdefault(info[0], []).append(info)
    return [info for info in chain.from_iterable(zip_longest(*by_family.values())) if info is not None]
