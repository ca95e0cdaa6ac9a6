"""Pool: the connections of one event loop, by origin, opened when needed and kept while they are good.

An idle connection is used again, the youngest first, unless it was closed by the other side or is older than its keep-alive. The
time to wait for a free place counts as connect time. Opening maps what can go wrong to `ConnectFailed` and to
`TimedOut(phase="connect")`: in both nothing was sent.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections import deque

from backstay.errors import ConnectFailed, TimedOut
from backstay.transport.address import Address, Proxy
from backstay.transport.connection import Bounds, Connection

HAPPY_EYEBALLS = 0.25
"""Seconds until the next address family is tried as well (RFC 8305 section 8)."""

TUNNEL_HEAD = 1 << 14


class Pool:
    """Connections of the running loop; one per loop, because sockets and futures belong to their loop."""

    def __init__(
        self, *, tls: ssl.SSLContext, proxy: Proxy | None, bounds: Bounds, keep_alive: float, max_connections: int
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._tls = tls
        self._proxy = proxy
        self._bounds = bounds
        self._keep_alive = keep_alive
        self._places = asyncio.Semaphore(max_connections)
        self._idle: dict[Address, deque[Connection]] = {}
        self._busy: set[Connection] = set()
        self._is_closed = False

    async def acquire(self, address: Address, *, timeout: float | None, deadline: float | None) -> Connection:
        """A connection to `address`, idle before or new. `timeout` and `deadline` bound the wait; the earlier one counts."""
        if not self._places.locked():
            await self._places.acquire()
            if (connection := self._take_idle(address)) is not None:
                return connection
            has_place = True
        else:
            has_place = False
        now = self._loop.time()
        limits = [limit for limit in (deadline, None if timeout is None else now + timeout) if limit is not None]
        try:
            async with asyncio.timeout_at(min(limits) if limits else None):
                if not has_place:
                    await self._places.acquire()
                    has_place = True
                    if (connection := self._take_idle(address)) is not None:
                        return connection
                connection = await self._open(address)
        except BaseException as error:
            if has_place:
                self._places.release()
            if isinstance(error, TimeoutError):
                raise TimedOut(f"{address.peer}: no connection in time", phase="connect", sent=False) from error
            raise
        self._busy.add(connection)
        return connection

    def _take_idle(self, address: Address) -> Connection | None:
        waiting = self._idle.get(address)
        while waiting:
            connection = waiting.pop()
            if connection.is_usable and self._loop.time() - connection.idle_since < self._keep_alive:
                self._busy.add(connection)
                return connection
            connection.abort()
        return None

    def give_back(self, address: Address, connection: Connection) -> None:
        """End the exchange on `connection`: it waits for the next one if it can, else it is closed. Idempotent."""
        if connection not in self._busy:
            return
        self._busy.discard(connection)
        self._places.release()
        if connection.release():
            if self._is_closed:
                connection.abort()
            else:
                self._idle.setdefault(address, deque()).append(connection)

    def forget(self, address: Address, connection: Connection) -> None:
        """Close the connection of an answer that was lost without being closed; may be called from any thread."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self.give_back, address, connection)

    async def _open(self, address: Address) -> Connection:
        try:
            if self._proxy is None:
                return await self._direct(address, address, self._tls if address.is_tls else None)
            if not address.is_tls:
                return await self._direct(self._proxy.address, address, None)
            return await self._tunnel(self._proxy, address)
        except TimeoutError:
            raise
        except ssl.SSLCertVerificationError as error:
            reason = f"{address.peer}: its certificate is not trusted: {error.verify_message}"
            raise ConnectFailed(reason, retryable=False) from error
        except ssl.SSLError as error:
            raise ConnectFailed(f"{address.peer}: TLS failed: {error.reason}") from error
        except socket.gaierror as error:
            raise ConnectFailed(f"{address.peer}: no such host ({error.strerror})") from error
        except OSError as error:
            raise ConnectFailed(f"{address.peer}: cannot connect ({error.strerror or error})") from error

    async def _direct(self, to: Address, final: Address, tls: ssl.SSLContext | None) -> Connection:
        _, connection = await self._loop.create_connection(
            lambda: Connection(self._loop, self._bounds, final.peer),
            to.host,
            to.port,
            ssl=tls,
            server_hostname=to.host if tls is not None else None,
            happy_eyeballs_delay=HAPPY_EYEBALLS,
        )
        return connection

    async def _tunnel(self, proxy: Proxy, address: Address) -> Connection:
        """A CONNECT tunnel through `proxy`, with TLS to `address` inside it."""
        reader, writer = await asyncio.open_connection(proxy.address.host, proxy.address.port, limit=TUNNEL_HEAD)
        try:
            lines = [f"CONNECT {address.host}:{address.port} HTTP/1.1", f"host: {address.host}:{address.port}"]
            if proxy.authorization is not None:
                lines.append(f"proxy-authorization: {proxy.authorization.reveal()}")
            writer.write(("\r\n".join(lines) + "\r\n\r\n").encode("ascii"))
            status = await _tunnel_status(reader)
            if status != 200:
                raise ConnectFailed(
                    f"{address.peer}: the proxy {proxy.address.peer} refused the tunnel (status {status})"
                )
            connection = Connection(self._loop, self._bounds, address.peer)
            transport = await self._loop.start_tls(
                writer.transport, connection, self._tls, server_hostname=address.host
            )
            connection.connection_made(transport)
        except BaseException:
            writer.transport.abort()
            raise
        return connection

    def close(self) -> None:
        """Close every connection; exchanges under way fail."""
        self._is_closed = True
        for connection in [*self._busy, *(one for waiting in self._idle.values() for one in waiting)]:
            connection.abort()
        self._idle.clear()


async def _tunnel_status(reader: asyncio.StreamReader) -> int | None:
    """The status of a proxy's answer to CONNECT; None where it is no HTTP."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        return None
    words = head.split(None, 2)
    return int(words[1]) if len(words) > 1 and words[0].startswith(b"HTTP/1.") and words[1].isdigit() else None
