"""HTTPTransport: requests over pooled HTTP/1.1 connections, TLS verified, redirects never followed.

Our own client over asyncio and llhttp: a call costs a fraction of a general HTTP library's CPU, and every fault has its exact
class; `docs/decisions/transport.md` has the measurements. It takes the machine's trust store (SSL_CERT_FILE and SSL_CERT_DIR are
honoured by OpenSSL), and no proxy unless one is given.

A kept connection may be closed by the server just as a request goes out. The transport does not guess and sends nothing twice:
without an answer that is `ReadFailed(sent=True)`, which the retry layer may retry and the ledger can count. It makes the case
rare instead: a connection that was seen to close is not used, and one that idled is asked first.

It may be shared by event loops in several threads; each loop has its own connections. A forked child has a new loop, and so
new connections. All time is `loop.time()`.
"""

from __future__ import annotations

import asyncio
import ssl
import threading

from backstay.secret import Secret
from backstay.transport.address import Address, parse_url, write_head
from backstay.transport.base import DEFAULT_TIMEOUTS, Timeouts
from backstay.transport.connection import Bounds
from backstay.transport.dial import Dialer
from backstay.transport.exchange import end_of, exchange
from backstay.transport.pool import Pool, PoolSize
from backstay.transport.proxy import Proxy, parse_proxy
from backstay.transport.response import HTTPResponse
from backstay.wire import HTTPRequest

KEEP_ALIVE = 55.0
"""Seconds; below the 60 of the load balancers that close first (AWS), and above the pauses of an agent's tools."""

MAX_HEAD_BYTES = 1 << 16
MAX_BODY_BYTES = 1 << 28
KNOWN_URLS = 1024


class HTTPTransport:
    """A Transport for any number of event loops. `proxy` is a URL, `keep_alive` in seconds, bounds in bytes."""

    def __init__(
        self,
        *,
        proxy: str | Proxy | None = None,
        tls: ssl.SSLContext | None = None,
        keep_alive: float = KEEP_ALIVE,
        max_connections: int = 1000,
        max_connections_per_host: int = 500,
        max_head_bytes: int = MAX_HEAD_BYTES,
        max_body_bytes: int = MAX_BODY_BYTES,
        user_agent: str = "backstay",
    ) -> None:
        self._tls = tls
        self._dialer = Dialer(tls=self._context, proxy=parse_proxy(proxy) if isinstance(proxy, str) else proxy)
        self._bounds = Bounds(head=max_head_bytes, body=max_body_bytes)
        self._size = PoolSize(total=max_connections, per_host=max_connections_per_host, keep_alive=keep_alive)
        self._extra: dict[str, str | Secret] = {"user-agent": user_agent, "accept-encoding": "identity"}
        self._pools: dict[asyncio.AbstractEventLoop, Pool] = {}
        self._lock = threading.Lock()
        self._routes: dict[str, tuple[Address, str, dict[str, str | Secret]]] = {}
        self._is_closed = False

    def __repr__(self) -> str:
        return f"HTTPTransport({len(self._pools)} loop(s))"

    async def send(
        self, request: HTTPRequest, *, timeouts: Timeouts = DEFAULT_TIMEOUTS, deadline: float | None = None
    ) -> HTTPResponse:
        """The answer's status and headers; its body is still to be read. See `transport.base.Transport`."""
        address, target, extra = self._routes.get(request.url) or self._route(request.url)
        head = write_head(request, target, address.authority, extra)
        pool = self._pool(asyncio.get_running_loop())
        end = end_of(pool.loop.time(), timeouts, deadline, address.peer)
        connection = pool.take_idle(address)
        if connection is None:
            connection = await pool.acquire(address, self._dialer.open, connect=timeouts.connect, end=end)
        return await exchange(connection, head, request, timeouts, end)

    def _route(self, url: str) -> tuple[Address, str, dict[str, str | Secret]]:
        """Where `url` is, what its request line says, and the headers that we add; kept, because few URLs serve many calls."""
        address, target = parse_url(url)
        extra = self._extra
        proxy = self._dialer.proxy_for(address)
        if proxy is not None and not address.is_tls:
            target = f"http://{address.authority}{target}"
            if proxy.authorization is not None:
                extra = {**extra, "proxy-authorization": proxy.authorization}
        if len(self._routes) >= KNOWN_URLS:
            self._routes.clear()
        self._routes[url] = route = (address, target, extra)
        return route

    def _pool(self, loop: asyncio.AbstractEventLoop) -> Pool:
        pool = self._pools.get(loop)
        if pool is None:
            with self._lock:
                if self._is_closed:
                    raise RuntimeError("this transport is closed")
                self._pools = {one: kept for one, kept in self._pools.items() if not one.is_closed()}
                pool = self._pools[loop] = Pool(bounds=self._bounds, size=self._size)
        return pool

    def _context(self) -> ssl.SSLContext:
        with self._lock:
            if self._tls is None:
                self._tls = default_tls()
            return self._tls

    async def aclose(self) -> None:
        """Close all connections; answers being read are cut off. Returns when this loop's sockets are closed. Idempotent."""
        with self._lock:
            self._is_closed = True
            pools, self._pools = self._pools, {}
        own = pools.pop(asyncio.get_running_loop(), None)
        for loop, pool in pools.items():
            if not loop.is_closed():
                loop.call_soon_threadsafe(pool.close)
        if own is not None:
            own.close()
            await own.closed()


def default_tls() -> ssl.SSLContext:
    """A verifying context over the machine's trust store, TLS 1.2 or later, that offers HTTP/1.1 alone."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context
