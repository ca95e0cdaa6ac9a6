"""HTTPTransport: requests over pooled HTTP/1.1 connections, TLS verified, redirects never followed.

Our own client over asyncio and llhttp: a call costs a fraction of a general HTTP library's CPU, and every fault has its exact
class; `docs/decisions/transport.md` has the measurements. It takes the machine's trust store (SSL_CERT_FILE and SSL_CERT_DIR are
honoured by OpenSSL), and no proxy unless one is given.

A reused connection may be closed by the server just as a request goes out. The transport does not guess: without an answer
that is `ReadFailed(sent=True)`, which the retry layer may retry; a connection that was seen to close is never reused.
"""

from __future__ import annotations

import asyncio
import ssl
import weakref
from collections.abc import AsyncIterator, Mapping

from backstay.errors import ProtocolError, TimedOut
from backstay.secret import Secret
from backstay.transport.address import Address, parse_proxy, parse_url, write_head
from backstay.transport.base import DEFAULT_TIMEOUTS, Timeouts
from backstay.transport.connection import Bounds, Connection
from backstay.transport.pool import Pool
from backstay.wire import HTTPRequest

MAX_HEAD_BYTES = 1 << 16
MAX_BODY_BYTES = 1 << 28


class HTTPTransport:
    """A Transport for any number of event loops; each gets a pool of its own. `proxy` is a URL; bounds are in bytes."""

    def __init__(
        self,
        *,
        proxy: str | None = None,
        tls: ssl.SSLContext | None = None,
        keep_alive: float = 30.0,
        max_connections: int = 1000,
        max_head_bytes: int = MAX_HEAD_BYTES,
        max_body_bytes: int = MAX_BODY_BYTES,
        user_agent: str = "backstay",
    ) -> None:
        self._proxy = parse_proxy(proxy) if proxy is not None else None
        self._tls = tls
        self._keep_alive = keep_alive
        self._max_connections = max_connections
        self._bounds = Bounds(head=max_head_bytes, body=max_body_bytes)
        self._extra: dict[str, str | Secret] = {"user-agent": user_agent}
        self._pools: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Pool] = weakref.WeakKeyDictionary()
        self._addresses: dict[str, tuple[Address, str]] = {}

    def __repr__(self) -> str:
        return f"HTTPTransport({len(self._pools)} loop(s))"

    async def send(
        self, request: HTTPRequest, *, timeouts: Timeouts = DEFAULT_TIMEOUTS, deadline: float | None = None
    ) -> HTTPResponse:
        """The answer's status and headers; its body is still to be read. See `transport.base.Transport`."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        if timeouts.total is not None:
            deadline = began + timeouts.total if deadline is None else min(deadline, began + timeouts.total)
        if deadline is not None and deadline <= began:
            raise TimedOut("the deadline passed before the request was sent", phase="total", sent=False)
        address, head = self._head(request)
        pool = self._pool(loop)
        connection = await pool.acquire(address, timeout=timeouts.connect, deadline=deadline)
        try:
            await connection.exchange(
                head + request.body,
                first=None if timeouts.first_event is None else loop.time() + timeouts.first_event,
                between=timeouts.between_events,
                deadline=deadline,
            )
        except BaseException:
            pool.give_back(address, connection)
            raise
        return HTTPResponse(connection, pool, address)

    def _head(self, request: HTTPRequest) -> tuple[Address, bytes]:
        found = self._addresses.get(request.url)
        if found is None:
            found = parse_url(request.url)
            if len(self._addresses) >= 1024:
                self._addresses.clear()
            self._addresses[request.url] = found
        address, target = found
        extra = self._extra
        if self._proxy is not None and not address.is_tls:
            target = f"http://{address.authority}{target}"
            if self._proxy.authorization is not None:
                extra = {**extra, "proxy-authorization": self._proxy.authorization}
        return address, write_head(request, target, address.authority, extra)

    def _pool(self, loop: asyncio.AbstractEventLoop) -> Pool:
        pool = self._pools.get(loop)
        if pool is None:
            pool = self._pools[loop] = Pool(
                tls=self._context(),
                proxy=self._proxy,
                bounds=self._bounds,
                keep_alive=self._keep_alive,
                max_connections=self._max_connections,
            )
        return pool

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = ssl.create_default_context()
            self._tls.minimum_version = ssl.TLSVersion.TLSv1_2
        return self._tls

    async def aclose(self) -> None:
        """Close the connections of the running loop; those of loops that ended are gone with them. Idempotent."""
        pool = self._pools.pop(asyncio.get_running_loop(), None)
        if pool is not None:
            pool.close()
            await asyncio.sleep(0)


class HTTPResponse:
    """An answer whose body is still arriving; see `transport.base.RawResponse`."""

    __slots__ = ("__weakref__", "_address", "_connection", "_is_released", "_pool", "headers", "status")

    def __init__(self, connection: Connection, pool: Pool, address: Address) -> None:
        self._connection = connection
        self._pool = pool
        self._address = address
        self._is_released = False
        self.status = connection.status
        self.headers: Mapping[str, str] = connection.headers

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while (data := await self._next()) is not None:
            yield data

    async def _next(self) -> bytes | None:
        if self._is_released:
            return None
        try:
            data = await self._connection.chunk()
        except BaseException:
            self._release()
            raise
        if data is None:
            self._release()
        return data

    async def read(self, max_bytes: int | None = None) -> bytes:
        """The whole body. Raises ProtocolError when it is longer than `max_bytes`."""
        pieces: list[bytes] = []
        size = 0
        while (data := await self._next()) is not None:
            size += len(data)
            if max_bytes is not None and size > max_bytes:
                self._release()
                raise ProtocolError(f"{self._address.peer} sent more than {max_bytes} bytes in one answer")
            pieces.append(data)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _release(self) -> None:
        if not self._is_released:
            self._is_released = True
            self._pool.give_back(self._address, self._connection)

    async def aclose(self) -> None:
        """Release the connection: to the pool if the body was read to its end, else closed. Idempotent."""
        self._release()

    def __del__(self) -> None:
        if not self._is_released:
            self._is_released = True
            self._pool.forget(self._address, self._connection)
